"""All models as the page knows them; one thread writes, others read."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Iterable
from typing import Any

from msgspec import Struct

from flink_jobs.dashboard.evidence import KeptEvidence
from flink_jobs.dashboard.model import Model
from flink_jobs.dashboard.moved import Moved, moved_of
from flink_jobs.dashboard.picture import Picture
from flink_jobs.dashboard.pictures import by_hour, of_all_models, over_time, overview_rows
from flink_jobs.dashboard.wire import Changes, ModelRow, Tick, Watcher, entry_of
from flink_jobs.records.alerts import Alert, Score, StormSummary
from flink_jobs.records.control import Audit, Outcome
from flink_jobs.records.evidence import Evidence
from flink_jobs.records.status import ModelStatus

_N_ENTRIES = 200
# As long as a command's model may be: what is longer could not be acted on.
_MOST_CHARACTERS = 1_024


class ChartData(Struct, frozen=True, kw_only=True):
    """The chart of one detector of one view of a model.

    Attributes
    ----------
    n_seen : int
        Windows that were seen so far.
    picture : dict
        Of :func:`flink_jobs.dashboard.pictures.over_time`.
    moved_id : str
        Changes with what moved; empty where nothing is told.
    moved : Moved or None
        What moved; None also where the asker has it.
    """

    number: int
    view: str
    detector: str
    reducer: str
    test: str
    n_seen: int
    picture: dict[str, Any]
    moved_id: str = ""
    moved: Moved | None = None


class LiveState:
    """The content of the followed topics, bounded in memory and safe to use from several threads.

    Parameters
    ----------
    n_windows : int, default 400
        Windows that are kept of each detector of each view of a model, 104 bytes each.
    most_models : int, default 10,000
        Beyond these the model that was heard of longest ago, with no incident open, is forgotten.
    evidence : KeptEvidence, optional
        The events behind incidents.

    Attributes
    ----------
    n_skipped : int
        Records that could not be shown.
    n_forgotten : int
        Models that were forgotten.
    heard_s : float or None
        When the last record came, on the monotonic clock.

    Examples
    --------
    >>> import msgspec
    >>> from flink_jobs.records.schemas import read_example
    >>> state = LiveState()
    >>> state.take([msgspec.json.decode(read_example("score"), type=Score)])
    >>> state.take([msgspec.json.decode(read_example("alert"), type=Alert)])
    >>> [(row.model, row.state, len(row.incidents)) for row in state.drain().rows]
    [('fraud', 'drift', 1)]
    >>> state.drain()
    Changes(rows=[], ticks=[], gone=[], entries=[])
    """

    def __init__(
        self,
        *,
        n_windows: int = 400,
        most_models: int = 10_000,
        evidence: KeptEvidence | None = None,
    ) -> None:
        self.evidence = evidence or KeptEvidence()
        self.lock = threading.RLock()
        self.n_skipped = 0
        self.n_forgotten = 0
        self.heard_s: float | None = None
        self._n_windows = n_windows
        self._most_models = most_models
        self._n_numbers = 0
        # In the order in which they were heard of last.
        self._models: OrderedDict[str, Model] = OrderedDict()
        self._by_number: dict[int, Model] = {}
        self._entries: deque[tuple[Alert | Audit, int | None]] = deque(maxlen=_N_ENTRIES)
        self._new_rows: dict[int, Model] = {}
        self._new_ticks: dict[int, Model] = {}
        self._new_entries: deque[tuple[Alert | Audit, int | None]] = deque(maxlen=_N_ENTRIES)
        self._gone: list[int] = []

    def take(self, records: Iterable[Alert | Score | Audit | ModelStatus | Evidence]) -> None:
        """Take records as they lie on their topics."""
        with self.lock:
            for record in records:
                self.heard_s = time.monotonic()
                if isinstance(record, Evidence):
                    self._take_evidence(record)
                else:
                    self._take(record)

    def skip(self) -> None:
        """Count a record that could not be read."""
        with self.lock:
            self.n_skipped += 1

    def knows(self, name: str) -> bool:
        """Say whether the page shows this model."""
        with self.lock:
            return name in self._models

    def drain(self) -> Changes:
        """Everything new since the last call; there is one caller."""
        with self.lock:
            rows = [model.row() for model in self._new_rows.values()]
            ticks: list[Tick] = [
                (number, model.last_ms, list(model.unsent))
                for number, model in self._new_ticks.items()
                if number not in self._new_rows
            ]
            for model in (*self._new_rows.values(), *self._new_ticks.values()):
                model.unsent.clear()
            entries, gone = list(self._new_entries), self._gone
            self._new_rows, self._new_ticks, self._gone = {}, {}, []
            self._new_entries.clear()
        return Changes(rows, ticks, gone, [entry_of(*each) for each in entries])

    def everything(self) -> Changes:
        """All rows, and the last entries of the timeline in the order of event time."""
        with self.lock:
            rows: list[ModelRow] = [model.row() for model in self._models.values()]
            entries = sorted(self._entries, key=lambda each: each[1] or 0)
        return Changes(rows=rows, entries=[entry_of(*each) for each in entries])

    def chart(self, number: int, watcher: Watcher | None, moved_id: str = "") -> ChartData | None:
        """Draw the windows of a watcher; None without such a model or watcher.

        What moved is left out where ``moved_id`` is still what stands for it.
        """
        with self.lock:
            model = self._by_number.get(number)
            seen = None if model is None else model.stream(watcher or model.first_watcher)
            if model is None or seen is None:
                return None
            key = seen.view, seen.detector
            n_seen, alert = model.series[key].n_seen, model.moved(key)
        # Drawn without the lock: it takes milliseconds.
        now_id, moved = ("", None) if alert is None else self._moved(alert, moved_id)
        return ChartData(
            number=number,
            view=seen.view,
            detector=seen.detector,
            reducer=seen.reducer,
            test=seen.test,
            n_seen=n_seen,
            picture=over_time(seen).plain(),
            moved_id=now_id,
            moved=moved,
        )

    def _moved(self, alert: Alert, known_id: str) -> tuple[str, Moved | None]:
        """Tell what moved by the evidence of an incident or else its alert, and name it."""
        with self.lock:
            kept, why_not = self.evidence.of(alert), self.evidence.why_not()
        now_id = f"{alert.alert_id} {kept.alert_id if kept else why_not}"
        if now_id == known_id:
            return now_id, None
        return now_id, moved_of(alert, kept.read() if kept else None, why_not)

    def overview(self) -> Picture:
        """All models in one picture, at most the 1,000 worst."""
        with self.lock:
            rows = overview_rows(list(self._models.values()))
        return of_all_models(rows)

    def calendar(self, number: int, watcher: Watcher | None) -> Picture | None:
        """The windows of a watcher by day and hour; None where there are too few, or none."""
        with self.lock:
            model = self._by_number.get(number)
            series = None if model is None else model.series.get(watcher or model.first_watcher)
            windows = None if series is None else series.windows()
        return None if windows is None else by_hour(windows)

    def _take(self, record: Alert | Score | Audit | ModelStatus) -> None:
        model = self._model_of(record)
        match record:
            case Score():
                self._take_score(record, model)
            case Alert() if model is not None:
                model.take_alert(record)
                self._tell(record, record.window.closed_ms)
            case Alert(storm=StormSummary()):
                self._tell(record, record.window.closed_ms)
            case Audit():
                if model is not None and record.status is not None:
                    model.take_status(record.status, is_answer=True)
                self._tell(record, record.effective_ms or (model.last_ms if model else None))
            case ModelStatus() if model is not None:
                model.take_status(record)
        if model is not None and not isinstance(record, Score):
            self._new_rows[model.number] = model

    def _take_score(self, score: Score, model: Model | None) -> None:
        if model is None:
            return
        if model.take_score(score):
            self._new_rows[model.number] = model
        else:
            self._new_ticks[model.number] = model

    def _take_evidence(self, evidence: Evidence) -> None:
        self.evidence.take(evidence)
        if (model := self._models.get(evidence.model)) is not None:
            self._new_rows[model.number] = model

    def _tell(self, record: Alert | Audit, at_ms: int | None) -> None:
        self._entries.append((record, at_ms))
        self._new_entries.append((record, at_ms))

    def _model_of(self, record: Alert | Score | Audit | ModelStatus) -> Model | None:
        if isinstance(record, Alert) and record.storm is not None:
            return None
        name = record.model or ""
        if name in self._models:
            self._models.move_to_end(name)
            return self._models[name]
        if isinstance(record, Audit) and record.outcome is not Outcome.APPLIED:
            # Commands to patterns, and to models that do not exist, are answered, too.
            return None
        return self._new_model(name)

    def _new_model(self, name: str) -> Model | None:
        if not 0 < len(name) <= _MOST_CHARACTERS:
            self.n_skipped += 1
            return None
        model = Model(self._n_numbers, name, self._n_windows)
        self._n_numbers += 1
        self._models[name] = self._by_number[model.number] = self._new_rows[model.number] = model
        self._forget()
        return model

    def _forget(self) -> None:
        if len(self._models) <= self._most_models:
            return
        idle = (each for each in self._models.values() if not each.has_incident)
        model = next(idle, next(iter(self._models.values())))
        del self._models[model.name], self._by_number[model.number]
        self._new_rows.pop(model.number, None)
        self._new_ticks.pop(model.number, None)
        self._gone.append(model.number)
        self.n_forgotten += 1
