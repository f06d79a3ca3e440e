import json

import msgspec
import pytest
from rich.console import Console

from flink_jobs.records.alerts import (
    Alert,
    AlertKind,
    CategoryShare,
    ColumnShift,
    Ending,
    SegmentMove,
    Severity,
    ThresholdSummary,
)
from flink_jobs.reports.text.alerts import to_json_line, to_text
from tests.records.examples import make_alert


def plain(alert: Alert) -> str:
    return to_text(alert).plain


@pytest.mark.parametrize(
    ("kind", "sign"),
    [
        (AlertKind.STARTED, "▲ STARTED"),
        (AlertKind.ONGOING, "● ONGOING"),
        (AlertKind.RECOVERED, "▼ RECOVERED"),
    ],
)
def test_a_kind_is_told_by_symbol_and_word_and_not_by_colour_alone(
    kind: AlertKind, sign: str
) -> None:
    first_line = plain(make_alert(kind=kind)).splitlines()[0]

    assert sign in first_line
    assert "fraud" in first_line


def test_each_kind_has_a_colour_of_its_own() -> None:
    styles = {str(to_text(make_alert(kind=kind)).spans[0].style) for kind in AlertKind}

    assert len(styles) == len(AlertKind)


def test_the_first_line_says_what_sets_an_alert_apart() -> None:
    alert = make_alert(severity=Severity.CRITICAL, is_flapping=True, n_suppressed=3)

    first_line = plain(alert).splitlines()[0]

    assert first_line.endswith("fraud  critical, flapping, 3 suppressed before it")


def test_the_first_line_of_an_ordinary_alert_ends_with_the_model() -> None:
    assert plain(make_alert()).splitlines()[0].endswith("  fraud")


def test_the_window_is_given_in_event_time() -> None:
    assert plain(make_alert()).startswith("2026-01-01 00:30–00:40 UTC")


def test_the_statistic_stands_beside_its_threshold() -> None:
    assert "statistic 0.412 ≥ 0.0779, p 1.2e-80, effect size 0.41" in plain(make_alert())


def test_a_recovered_window_lies_below_its_threshold() -> None:
    alert = make_alert(kind=AlertKind.RECOVERED, statistic=0.05)

    assert "statistic 0.05 < 0.0779" in plain(alert)


def test_a_threshold_that_nothing_reaches_is_said_to_be_so() -> None:
    alert = make_alert(threshold=ThresholdSummary(p_value=1e-4, statistic=None))

    assert "has no reachable threshold" in plain(alert)


def test_columns_are_shown_by_name_a_line_each_what_moved_most_first() -> None:
    lines = plain(make_alert()).splitlines()

    assert lines[2:4] == [
        "    moved most: `plan`: `family` 0 % → 40 % (new), `basic` 70 % → 30.1 %; missing "
        "0 % → 1.2 % (p 1.2e-81, effect size 0.41)",
        "                `tenure`: median 12.1 → 30.4 months, up (p 4.1e-18, effect size 0.2)",
    ]


def test_column_names_and_category_texts_from_outside_drive_no_terminal() -> None:
    hostile = "\x1b[2J\n`x` 0 % → 100 %"
    share = CategoryShare(category=hostile, ref_share=0.0, test_share=0.5)
    moved = ColumnShift(
        column=hostile, type="category", statistic=0.5, p_value=0.1, categories=[share]
    )

    confined = SegmentMove(
        segment=hostile, category=hostile, column=hostile, statistic=0.5, p_value=1e-9,
        elsewhere=0.0, n_ref=50, n_test=50,
    )  # fmt: skip

    text = plain(make_alert(top_columns=[moved], segments=[confined], exemplars=[]))

    assert "\x1b" not in text
    assert len(text.splitlines()) == 4
    assert "`\\x1b[2J\\n'x' 0 % → 100 %`: `\\x1b[2J" in text


def test_an_alert_without_columns_and_exemplars_has_two_lines() -> None:
    assert len(plain(make_alert(top_columns=[], segments=[], exemplars=[])).splitlines()) == 2


def test_a_model_that_was_forgotten_is_said_to_be() -> None:
    assert plain(make_alert("forgotten")).splitlines() == [
        "2026-01-01 00:50–2026-01-08 00:50 UTC  ▲ STARTED    fraud  forgotten",
        "    no event for 7 days: the model's state was removed",
    ]


def test_an_incident_of_a_forgotten_model_says_why_it_ended() -> None:
    alert = make_alert(kind=AlertKind.RECOVERED, ending=Ending.FORGOTTEN)

    assert plain(alert).splitlines()[0].endswith("fraud  ended since the model was forgotten")


def test_exemplars_are_named_by_their_event_ids() -> None:
    assert "most unlike the reference: fraud-006007, fraud-006009" in plain(make_alert())


def test_a_silent_model_is_said_to_be_silent_since_its_last_event() -> None:
    assert plain(make_alert("silence")).splitlines() == [
        "2026-01-01 00:50–01:00 UTC  ▲ STARTED    fraud  silent",
        "    silent since 2026-01-01 00:50 UTC",
    ]


def test_a_model_that_sends_again_is_said_to_do_so() -> None:
    alert = make_alert("silence", kind=AlertKind.RECOVERED, ending=Ending.NORMAL)

    assert plain(alert).endswith("was silent since 2026-01-01 00:50 UTC, sends events again")


def test_a_silence_that_a_new_configuration_ended_is_not_said_to_be_over() -> None:
    alert = make_alert("silence", kind=AlertKind.RECOVERED, ending=Ending.NEW_CONFIGURATION)

    assert "ended by a new configuration" in plain(alert)
    assert "sends events again" not in plain(alert)


def test_a_reference_that_drifted_while_it_was_collected_is_named() -> None:
    text = plain(make_alert("unstable_reference"))

    assert text.splitlines()[0].endswith("fraud  unstable reference")
    assert "effect size 0.41, the first half of 2,000 events against the second" in text


def test_an_incident_that_ended_without_a_test_shows_no_numbers() -> None:
    assert plain(make_alert("new_reference")).splitlines() == [
        "2026-01-01 00:50–01:00 UTC  ▼ RECOVERED  fraud  ended by a new reference",
        "    mixed: no test stands behind this",
    ]


def test_numbers_that_are_not_there_are_left_out_one_by_one() -> None:
    alert = make_alert(p_value=None, threshold=None, effect_size=None)

    assert "mixed: statistic 0.412, 2,000 events against 2,000" in plain(alert)


def test_a_view_and_a_detector_are_named_unless_they_are_the_main_ones() -> None:
    alert = make_alert(view="inputs", detector="daily")

    assert plain(alert).splitlines()[0].endswith("fraud  view inputs, detector daily")


def test_a_reducer_is_named_where_there_is_one() -> None:
    assert plain(make_alert(reducer="pca", test="mmd")).splitlines()[1].startswith("    pca + mmd:")


def test_a_normal_ending_is_not_worth_a_remark() -> None:
    alert = make_alert(kind=AlertKind.RECOVERED, ending=Ending.NORMAL)

    assert plain(alert).splitlines()[0].endswith("  fraud")


def test_a_window_that_was_tested_before_its_end_is_marked() -> None:
    window = msgspec.structs.replace(make_alert().window, closed_early=True)

    assert "tested before its end" in plain(make_alert(window=window))


def test_brackets_in_a_model_name_are_no_markup() -> None:
    console = Console(width=200, color_system=None)

    with console.capture() as captured:
        console.print(to_text(make_alert(model="a[bold]b")))

    assert "a[bold]b" in captured.get()


def test_a_json_line_is_the_whole_alert() -> None:
    for alert in map(make_alert, ["", "silence", "unstable_reference", "new_reference"]):
        line = to_json_line(alert)

        assert "\n" not in line
        assert json.loads(line) == msgspec.to_builtins(alert)
