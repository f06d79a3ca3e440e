"""True labels in a history: shifts act on them, and accuracy is measured against them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest

from flink_jobs.config.job import DriftJobConfig
from flink_jobs.histories.errors import BacktestError
from flink_jobs.histories.known_drifts.shift_table import ClassMixShift, KnockOutShift
from flink_jobs.histories.known_drifts.simulator import EventBatch, simulate
from flink_jobs.histories.lines.labels import labels_of
from flink_jobs.histories.lines.rows import PayloadRows
from flink_jobs.replay import run_backtest
from flink_jobs.replay.result import SCORES_FILE
from flink_jobs.reports.charts.accuracy_line import AccuracyLine
from flink_jobs.reports.notebook import accuracy, figure
from flink_jobs.reports.write import gather, write_html
from tests.histories.examples import START_MS, backtest_config
from tests.intake.examples import named_config

N = 900
SPAN: dict[str, Any] = {"start_ms": START_MS, "end_ms": START_MS + 100_000}


def labelled_config(
    *, reducer: str = "none", n_outputs: int = 3, format_: str = "loudly", **keys: Any
) -> DriftJobConfig:
    return backtest_config(
        input={"format": format_, "n_features": 1, "n_outputs": n_outputs},
        detector={"reducer": {"kind": reducer}},
        columns={"model_name": "m", "features": ["x"], "outputs": "p*", "label": "y", **keys},
    )


def labelled_table(labels: Sequence[Any], *, right: float = 1.0) -> pa.Table:
    """Event ``i`` is predicted to be of class ``i % 3``, of which ``right`` says how many are."""
    rng = np.random.default_rng(0)
    n = len(labels)
    predicted = np.where(rng.random(n) < right, np.arange(n) % 3, (np.arange(n) + 1) % 3)
    outputs = np.full((n, 3), 0.05)
    outputs[np.arange(n), predicted] = 0.9
    return pa.table(
        {
            "time_ms": START_MS + 20 * np.arange(n),
            "event_id": [f"e{i}" for i in range(n)],
            "x": rng.normal(size=n),
            **{f"p{k}": outputs[:, k] for k in range(3)},
            "y": labels,
        }
    )


def n_used(table: pa.Table, *shifts: Any, config: DriftJobConfig | None = None) -> int:
    result = run_backtest(config or labelled_config(), table, processes=1, shifts=shifts)
    return result.summary.n_used


CLASSES: dict[str, list[Any]] = {
    "integers": [i % 3 for i in range(N)],
    "integers with gaps, as floats": [float(i % 3) if i % 10 else None for i in range(N)],
    "text": [f"class-{i % 3}" for i in range(N)],
    "truth values": [i % 3 == 1 for i in range(N)],
}


@pytest.mark.parametrize("kind", CLASSES)
def test_knocking_out_a_class_drops_the_events_with_its_label(kind: str) -> None:
    labels = CLASSES[kind]
    name = {"text": "class-1", "truth values": "true"}.get(kind, 1)
    # Outputs are of no use here: what has no label belongs to no class.
    config = labelled_config(n_outputs=0)

    used = n_used(labelled_table(labels), KnockOutShift(**SPAN, knocked_out=name), config=config)

    dropped = [label for label in labels if label in (name, 1.0, True) and label is not None]
    assert used == N - len(dropped)
    assert 0 < used < N


def test_labels_count_before_outputs_and_outputs_where_a_label_is_missing() -> None:
    # All are predicted to be what i % 3 says; the label says 2 of the first 300 and nothing else.
    labels = [2] * 300 + [None] * (N - 300)
    config = labelled_config(reducer="softmax_outputs")
    shift = KnockOutShift(**SPAN, knocked_out=2)

    with_labels = n_used(labelled_table(labels), shift, config=config)
    without = n_used(
        labelled_table(labels), shift, config=labelled_config(reducer="softmax_outputs", label="")
    )

    assert with_labels == N - 300 - 200
    assert without == N - 300


def test_a_class_mix_goes_by_labels() -> None:
    used = n_used(
        labelled_table(CLASSES["text"]),
        ClassMixShift(**SPAN, weights={"class-0": 0.0, "class-1": 1.0}),
    )

    assert used == N - 300


def test_every_format_has_the_same_labels(tmp_path: Path) -> None:
    table = labelled_table(CLASSES["integers"])
    pq.write_table(table, tmp_path / "a.parquet")
    pa_csv.write_csv(table, tmp_path / "a.csv")
    rows = table.to_pylist()
    (tmp_path / "a.jsonl").write_bytes(b"\n".join(msgspec.json.encode(row) for row in rows))
    shift = KnockOutShift(**SPAN, knocked_out=1)
    config = labelled_config(outputs=["p0", "p1", "p2"], format_="json")

    results = [
        run_backtest(config, source, processes=1, shifts=[shift])
        for source in (table, *(tmp_path / f"a.{ending}" for ending in ("parquet", "csv", "jsonl")))
    ]

    assert [result.summary.n_used for result in results] == [N - 300] * 4
    assert len({(result.folder / SCORES_FILE).read_bytes() for result in results}) == 1


def test_labels_alone_change_no_byte() -> None:
    table = labelled_table(CLASSES["text"])

    with_labels, without = (
        run_backtest(labelled_config(label=label), table, processes=1) for label in ("y", "")
    )

    files = [(each.folder / SCORES_FILE).read_bytes() for each in (with_labels, without)]
    assert files[0] == files[1] != b""


def test_a_history_without_classes_cannot_be_thinned_by_class() -> None:
    config = labelled_config(label="")

    with pytest.raises(BacktestError, match=r"labels in the history, which columns\.label names"):
        n_used(labelled_table(CLASSES["text"]), KnockOutShift(**SPAN, knocked_out=1), config=config)


def test_a_column_of_labels_that_is_not_there_is_named() -> None:
    with pytest.raises(BacktestError, match="lacks the columns truth"):
        n_used(labelled_table(CLASSES["text"]), config=labelled_config(label="truth"))


def test_the_simulator_takes_missing_labels_as_nan() -> None:
    x = np.array([[5.0], [6.0], [7.0]])
    batch = EventBatch("m", np.array([1, 2, 3]), ["a", "b", "c"], x, np.array([1.0, np.nan, 2.0]))
    shift = KnockOutShift(start_ms=0, end_ms=10, knocked_out=1)

    assert next(simulate([batch], [shift])).event_ids == ["b", "c"]


@pytest.mark.parametrize("reducer", ["none", "softmax_outputs"])
def test_accuracy_over_time_is_the_share_of_right_predictions(reducer: str) -> None:
    labels = [i % 3 if i % 10 else None for i in range(N)]
    table = labelled_table(labels, right=0.8)
    result = run_backtest(labelled_config(reducer=reducer), table, processes=1)

    found = accuracy(result, every_ms=3_000).to_pylist()

    outputs = np.column_stack([table[f"p{k}"] for k in range(3)])
    times_ms = table["time_ms"].to_numpy()
    known = np.array([label is not None for label in labels])
    is_right = outputs.argmax(axis=1) == np.arange(N) % 3
    assert [row["n_labelled"] for row in found] == [135] * 6
    assert {row["model"] for row in found} == {"m"}
    for row in found:
        inside = known & (times_ms >= row["start_ms"]) & (times_ms < row["end_ms"])
        assert row["accuracy"] == pytest.approx(is_right[inside].mean())


def test_truth_values_are_labels_of_two_outputs() -> None:
    table = labelled_table([i % 3 == 1 for i in range(N)])
    config = labelled_config(n_outputs=2, outputs=["q0", "q1"])
    table = table.append_column("q0", pa.array([0.9] * N)).append_column("q1", pa.array([0.1] * N))
    result = run_backtest(config, table, processes=1)

    found = accuracy(result, every_ms=10**6)

    assert found["accuracy"].to_pylist() == pytest.approx([2 / 3])


def test_accuracy_of_named_outputs_goes_by_what_each_of_them_is() -> None:
    n_right = 600
    is_right = np.arange(N) < n_right
    truth = np.arange(N) % 2 == 1
    said = np.where(is_right, truth, ~truth)
    given: dict[str, tuple[Any, Any]] = {
        "probability": (np.where(said, 0.8, 0.3), truth),
        "class": (np.where(said, "dog", "cat"), np.where(truth, "dog", "cat")),
    }
    for kind, (answers, labels) in given.items():
        table = pa.table(
            {
                "time_ms": START_MS + 20 * np.arange(N),
                "event_id": [f"e{i}" for i in range(N)],
                "plan": ["basic", "plus", "pro"] * (N // 3),
                "answer": answers,
                "y": labels,
            }
        )
        columns = {"features": {"plan": "category"}, "outputs": {"answer": kind}}
        config = named_config({"model_name": "m", "label": "y", **columns})
        result = run_backtest(config, table, processes=1)

        found = accuracy(result, every_ms=10**6)

        assert found["n_labelled"].to_pylist() == [N]
        assert found["accuracy"].to_pylist() == pytest.approx([n_right / N])


def test_names_of_classes_are_labels_of_named_probabilities() -> None:
    table = labelled_table([f"class-{i % 3}" for i in range(N)], right=0.5)
    answer = pa.array(np.column_stack([table[f"p{k}"] for k in range(3)]).tolist())
    names = [f"class-{k}" for k in range(3)]
    answers = {"answer": {"kind": "class_probabilities", "class_names": names}}
    config = named_config(
        {"model_name": "m", "label": "y", "features": {"x": "number"}, "outputs": answers}
    )
    table = table.append_column("answer", answer)
    result = run_backtest(config, table, processes=1)

    found = accuracy(result, every_ms=10**6)

    predicted = np.array(answer.to_pylist()).argmax(axis=1)
    assert found["accuracy"].to_pylist() == pytest.approx([(predicted == np.arange(N) % 3).mean()])


def test_accuracy_without_labels_or_of_other_labels_is_refused() -> None:
    table = labelled_table(CLASSES["text"])

    with pytest.raises(BacktestError, match=r"name the labels in columns\.label"):
        accuracy(run_backtest(labelled_config(label=""), table, processes=1))
    with pytest.raises(BacktestError, match="'class-0' is not one of the 3 outputs"):
        accuracy(run_backtest(labelled_config(), table, processes=1))


def test_the_figure_shows_accuracy_beside_the_statistic() -> None:
    table = labelled_table(CLASSES["integers"], right=0.8)
    result = run_backtest(labelled_config(), table, processes=1)

    (trace,) = figure(result, "m").select_traces({"name": "accuracy"})

    np.testing.assert_allclose(trace.y, accuracy(result)["accuracy"].to_numpy())
    assert 0.6 < min(trace.y) <= max(trace.y) < 1.0


def test_a_label_in_a_payload_that_is_no_number_or_text_is_none() -> None:
    payloads = [b'{"y": 2}', b'{"y": "cat"}', b'{"y": [1]}', b'{"x": 1}', b"{", None]
    rows = np.arange(len(payloads))

    found = PayloadRows(payloads, labels_of(labelled_config(label="y"))).labels(rows)

    assert found is not None
    assert found.tolist() == ["2", "cat", None, None, None, None]
    assert PayloadRows(payloads).labels(rows) is None


def test_the_report_shows_accuracy_in_a_line_and_in_words(tmp_path: Path) -> None:
    table, history = labelled_table(CLASSES["integers"], right=0.8), tmp_path / "history.parquet"
    pq.write_table(table, history)
    result = run_backtest(labelled_config(), history, processes=1)

    contents = gather(result)
    write_html(contents, tmp_path / "report.html")

    page = (tmp_path / "report.html").read_text()
    found = accuracy(result)
    overall = np.average(found["accuracy"], weights=found["n_labelled"])
    assert f"Accuracy {overall:.1%} of {N:,} labelled events" in page
    assert "accuracy, on the axis to the right" in page


def test_a_report_says_why_it_shows_no_accuracy(tmp_path: Path) -> None:
    table, history = labelled_table(CLASSES["text"]), tmp_path / "history.parquet"
    pq.write_table(table, history)
    result = run_backtest(labelled_config(), history, processes=1)

    write_html(gather(result), tmp_path / "report.html")

    page = (tmp_path / "report.html").read_text()
    assert "Accuracy is not shown: the label &#39;class-0&#39; is not one of the 3 outputs" in page
    assert '"name":"accuracy"' not in page


def test_no_line_crosses_a_time_without_labels() -> None:
    rows = [(0, 1, 4, 0.5), (1, 2, 4, 0.75), (5, 6, 2, 1.0)]
    names = ("start_ms", "end_ms", "n_labelled", "accuracy")
    table = pa.Table.from_pylist([{"model": "m"} | dict(zip(names, r, strict=True)) for r in rows])

    line = AccuracyLine.of(table, "m")

    np.testing.assert_array_equal(line.end_ms, [1, 2, 5, 6])
    np.testing.assert_array_equal(line.accuracy, [0.5, 0.75, np.nan, 1.0])
    assert line.sentence.startswith("Accuracy 70.0% of 10 labelled events, lowest 50.0% until ")
    assert not AccuracyLine.of(table, "another")


def test_a_label_is_read_where_other_values_of_its_line_are_nan() -> None:
    payloads = [b'{"y": 1, "loss": NaN}', b'{"y": "a", "best": -Infinity}']
    rows = PayloadRows(payloads, labels_of(labelled_config(label="y")))

    labels = rows.labels(np.arange(2))

    assert labels is not None
    assert labels.tolist() == ["1", "a"]
