from scripts.bench.job.results import Results, disagreements, rate
from scripts.bench.job.stream import START_MS, Stream

STREAM = Stream("topic", n_events=100_000, n_models=10, events_per_pane=100)


def results(finished_s, **records):
    return Results({name: value.encode() for name, value in records.items()}, 0, finished_s)


def end_ms(pane):
    return START_MS + (pane + 1) * STREAM.pane_width_ms


def test_the_rate_is_that_of_whole_panes_however_unevenly_the_job_works():
    # 1,000 events of all models in a pane, each pane done half a second after the one before.
    finished_s = {end_ms(pane): 7.0 + 0.5 * pane for pane in range(100)}

    events_per_s, measured_s = rate(STREAM, results(finished_s))

    assert events_per_s == 2_000.0
    assert measured_s == 0.5 * (94 - 19)  # panes of which 20 % to 95 % of the stream are full


def test_what_lies_before_and_after_the_steady_part_does_not_count():
    finished_s = {end_ms(pane): 7.0 + 0.5 * pane for pane in range(100)}
    disturbed = finished_s | {end_ms(5): 0.0, end_ms(99): 1_000.0}

    assert rate(STREAM, results(disturbed)) == rate(STREAM, results(finished_s))


def test_rounds_with_the_same_records_agree():
    assert disagreements([results({}, a="1", b="2"), results({}, b="2", a="1")]) == []


def test_a_round_that_gave_another_record_is_named():
    found = disagreements([results({}, a="1"), results({}, a="1"), results({}, a="2")])

    assert found == ["round 3: 2 alerts and scores differ from round 1"]


def test_a_run_that_tested_nothing_agrees_with_nothing():
    assert disagreements([results({}), results({})]) == ["the job wrote no score"]


def test_dead_letters_are_a_disagreement():
    refused = Results({"a": b"1"}, 3, {})

    assert disagreements([refused]) == ["round 1: 3 dead letters"]
