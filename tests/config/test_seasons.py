"""A reference that is too short for a day or a week says so."""

from __future__ import annotations

from typing import Any

import pytest

from flink_jobs.cli.summary import summarise
from flink_jobs.config.seasons import seasons_left_out
from tests.builders import Replay, make_config, make_panes

HOUR_MS, DAY_MS = 3_600_000, 86_400_000


@pytest.mark.parametrize(
    ("ref_ms", "is_said"),
    [
        (HOUR_MS, ("hour of the day", "day of the week")),
        (DAY_MS, ("day of the week",)),
        (7 * DAY_MS - 1, ("day of the week",)),
        (7 * DAY_MS, ()),
        (30 * DAY_MS, ()),
    ],
)
def test_a_reference_names_the_rhythms_that_it_does_not_hold(
    ref_ms: int, is_said: tuple[str, ...]
) -> None:
    text = seasons_left_out(ref_ms)

    for rhythm in ("hour of the day", "day of the week"):
        assert (rhythm in text) == (rhythm in is_said)


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ({"kind": "first_time", "duration_ms": HOUR_MS, "min_events": 20}, ["it covers 1 h"]),
        ({"kind": "first_events", "n_events": 100}, []),
        ({"kind": "seasonal", "period": "day"}, ["it covers 1 d"]),
        ({"kind": "seasonal", "period": "week"}, []),
    ],
)
def test_validate_says_it_of_references_that_last_for_a_time(
    reference: dict[str, Any], said: list[str]
) -> None:
    config = make_config(
        reference=reference, window={"kind": "time", "size_ms": HOUR_MS, "slide_ms": HOUR_MS}
    )

    found = [line.text.partition(":")[0] for line in summarise(config, {})]

    assert [text for text in found if text.startswith("it covers")] == said


def test_the_log_says_it_of_a_reference_of_the_first_events_when_it_is_known() -> None:
    replay = Replay(make_config(reference={"n_events": 60}))

    replay.run(make_panes([40, 40]))

    notices = [each.text for actions in replay.actions for each in actions.notices]

    (short,) = [text for text in notices if text.startswith("the reference is short")]
    assert "it covers 2 s: what changes with the hour of the day" in short
