"""CSV files hold the rows that Python's csv module finds in them, wherever their blocks end."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flink_jobs.config.columns import Column
from flink_jobs.histories.errors import SourceError
from flink_jobs.histories.tables import csv as module
from flink_jobs.histories.tables.csv import csv_pieces, csv_schema
from flink_jobs.histories.tables.places import Place
from flink_jobs.histories.tables.shape import Field, Piece, TableShape
from flink_jobs.replay.engine import run_backtest
from tests.histories.examples import START_MS, backtest_config

NAMES = ("text", "number", "more")
FEATURES = Column("features", "vector", "feature", size=3)
# A row of empty cells alone may be an empty line, which is not a row.
CELLS = st.tuples(
    st.text(st.sampled_from('ab,"\n\r é'), max_size=60),
    st.integers(-9, 9).map(str),
    st.text(st.sampled_from('x"\n,'), max_size=200),
)


def shape(*columns: str) -> TableShape:
    places = tuple(map(Place, columns))
    return TableShape(places[0], None, None, None, {FEATURES: Field("features", places)})


def written(rows: Sequence[tuple[str, ...]], *, ends: str = "\n", last: bool = True) -> bytes:
    text = io.StringIO(newline="")
    # Of "\r" alone Python thinks that it ends no row where rows end in "\n".
    quoting: Literal[0, 1] = csv.QUOTE_ALL if ends == "\n" else csv.QUOTE_MINIMAL
    csv.writer(text, lineterminator=ends, quoting=quoting).writerows([NAMES, *rows])
    return text.getvalue().removesuffix("" if last else ends).encode()


def read(pieces: list[Piece], encoding: str = "utf-8") -> dict[int, tuple[str, ...]]:
    """The cells of each row, by its place in the file."""
    found: dict[int, tuple[str, ...]] = {}
    for piece in pieces:
        columns = [column.to_pylist() for column in piece.batch.columns]
        cells = (
            tuple((cell or b"").decode(encoding) for cell in row)
            for row in zip(*columns, strict=True)
        )
        found |= dict(zip(piece.offsets.tolist(), cells, strict=True))
    return found


def blocks(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr(module, "_block_bytes", lambda n_rows: size)
    monkeypatch.setattr(module, "_BLOCK_BYTES", size)


@given(
    rows=st.lists(CELLS, min_size=1, max_size=12),
    ends=st.sampled_from(["\n", "\r\n"]),
    last=st.booleans(),
    size=st.integers(40, 400),
    suffix=st.sampled_from([".csv", ".csv.gz"]),
)
def test_quotes_line_breaks_and_long_cells_are_read_as_python_reads_them(
    rows: list[tuple[str, ...]], ends: str, last: bool, size: int, suffix: str
) -> None:
    data = written(rows, ends=ends, last=last)
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        path = Path(folder, f"a{suffix}")
        path.write_bytes(gzip.compress(data) if suffix.endswith("gz") else data)
        blocks(patch, size)
        patch.setattr(module, "LONGEST_ROW", 1 << 16)

        schema = csv_schema(path)
        found = read(list(csv_pieces(path, shape(*NAMES), 1)))

    _, *wanted = csv.reader(io.StringIO(data.decode(), newline=""))
    assert schema is not None
    assert schema.names == list(NAMES)
    assert found == dict(enumerate(map(tuple, wanted)))


def test_ragged_rows_and_long_ones_keep_their_places(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocks(monkeypatch, 64)
    rows: list[tuple[str, ...]] = [
        ("a", "1", "x"),
        ("b",),
        ("c", "2", "y\n" * 100),
        ("d", "3"),
    ] * 50
    path = tmp_path / "a.csv"
    path.write_bytes(written(rows))

    pieces = list(csv_pieces(path, shape(*NAMES), 1))

    ragged = [row for piece in pieces for row, _ in piece.ragged]
    assert ragged == [place for place, row in enumerate(rows) if len(row) < 3]
    assert read(pieces) == {place: row for place, row in enumerate(rows) if len(row) == 3}


@given(
    rows=st.lists(st.lists(st.text("aé,ÿ\n", max_size=30), min_size=1, max_size=4), max_size=30),
    size=st.integers(64, 400),
    encoding=st.sampled_from(["latin-1", "utf-8"]),
)
def test_cells_come_in_the_bytes_of_the_file_whatever_its_encoding(
    rows: list[list[str]], size: int, encoding: str
) -> None:
    cells = [tuple(f"{number}{cell}" for cell in row) for number, row in enumerate(rows)]
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        path = Path(folder, "a.csv")
        path.write_bytes(written(cells).decode().encode(encoding))
        blocks(patch, size)

        pieces = list(csv_pieces(path, shape(*NAMES), 1))

    ragged = [row for piece in pieces for row, _ in piece.ragged]
    assert ragged == [place for place, row in enumerate(cells) if len(row) != len(NAMES)]
    assert read(pieces, encoding) == {
        place: row for place, row in enumerate(cells) if len(row) == len(NAMES)
    }


def test_a_text_column_with_line_breaks_costs_no_event(tmp_path: Path) -> None:
    n, path = 6_000, tmp_path / "a.csv"
    rng = np.random.default_rng(0)
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["t", "message", "x"])
        message = "\n".join(["lorem, ipsum"] * 40)
        rows.writerows([START_MS + i * 40, message, rng.normal()] for i in range(n))
    config = backtest_config(
        input={"n_features": 1},
        columns={"model_name": "a", "time": "t", "event_id": "", "features": ["x"]},
    )
    assert path.stat().st_size > 2 * (1 << 20), "several blocks"

    result = run_backtest(config, path, processes=1)

    assert result.summary.n_used == n


@pytest.mark.parametrize("place", [0, 2])
def test_a_quote_that_is_never_closed_ends_the_backtest(tmp_path: Path, place: int) -> None:
    rows = [["a", "1", "x"] for _ in range(30)]
    rows[20][place] = '"oops'
    path = tmp_path / "a.csv"
    path.write_text("\n".join(map(",".join, [NAMES, *rows])))

    with pytest.raises(SourceError, match=r"ends inside a quoted cell: a quote after row 2\d "):
        list(csv_pieces(path, shape("number", "text"), 1))


def test_a_row_that_no_block_holds_is_refused_by_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocks(monkeypatch, 64)
    monkeypatch.setattr(module, "LONGEST_ROW", 512)
    path = tmp_path / "a.csv"
    path.write_bytes(written([("a", "1", "x")] * 40 + [("b", "2", "y" * 2_000)]))

    with pytest.raises(SourceError, match=r"after row \d+ that is longer than"):
        list(csv_pieces(path, shape(*NAMES), 1))


@pytest.mark.parametrize(("header", "row"), [("a", "1"), ("a,b", "1,2")])
def test_files_of_any_width_are_read_to_their_end(tmp_path: Path, header: str, row: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text("\n".join([header, row, row, row]))

    found = read(list(csv_pieces(path, shape("a"), 1)))

    assert found == {0: ("1",), 1: ("1",), 2: ("1",)}
