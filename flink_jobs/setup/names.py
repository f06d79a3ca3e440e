"""Words in the names of columns, and what they hint at."""

from __future__ import annotations

import re

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")

TIMES = frozenset({"time", "timestamp", "ts", "at", "date", "datetime", "when", "day", "moment"})
"""Of times; ``at`` where it comes last, as in ``predicted_at``."""
EVENT_TIMES = frozenset(
    {"event", "predicted", "prediction", "inference", "request", "requested", "created", "scored"}
)
"""Of the moment at which a model answered."""
OTHER_TIMES = frozenset(
    {
        "ingested",
        "ingestion",
        "loaded",
        "inserted",
        "updated",
        "modified",
        "received",
        "processed",
        "processing",
        "written",
        "exported",
        "synced",
        "birth",
        "dob",
        "expires",
        "expiry",
        "end",
        "due",
        "start",
        "signup",
        "joined",
        "registered",
        "label",
        "labelled",
    }
)
"""Of moments that are not those of an inference."""
CALENDAR = frozenset({"year", "month", "day", "week", "weekday", "dayofweek", "hour", "quarter"})

IDS = frozenset(
    {"id", "ids", "uuid", "guid", "key", "hash", "identifier", "nr", "no", "pk", "rowid"}
)
EVENT_IDS = frozenset(
    {
        "event",
        "request",
        "req",
        "prediction",
        "inference",
        "record",
        "row",
        "message",
        "log",
        "trace",
        "transaction",
        "correlation",
        "invocation",
    }
)
ENTITIES = frozenset(
    {
        "applicant",
        "borrower",
        "customer",
        "user",
        "client",
        "account",
        "member",
        "passenger",
        "patient",
        "device",
        "session",
        "order",
        "visitor",
        "employee",
        "person",
        "subscriber",
        "household",
        "policy",
        "claim",
        "invoice",
        "ticket",
        "email",
        "mail",
        "phone",
        "ip",
        "iban",
        "ssn",
        "card",
        "cookie",
        "imei",
        "vin",
        "url",
        "name",
        "address",
        "street",
        "token",
    }
)
"""Of what tells people and things apart, where there are many of them."""

MODELS = frozenset({"model", "modelname", "modelid", "inferenceservice", "inferenceservicename"})
VERSIONS = frozenset({"version", "revision", "sha", "digest", "commit", "variant", "specversion"})

PREDICTIONS = frozenset(
    {
        "pred",
        "preds",
        "prediction",
        "predictions",
        "predicted",
        "predict",
        "yhat",
        "yp",
        "estimate",
        "estimated",
        "forecast",
        "decision",
        "recommendation",
        "output",
        "answer",
    }
)
PROBABILITIES = frozenset(
    {
        "prob",
        "probs",
        "proba",
        "probability",
        "probabilities",
        "likelihood",
        "confidence",
        "softmax",
    }
)
SCORES = frozenset({"score", "scores", "logit", "logits", "risk", "propensity"})
LABELS = frozenset(
    {"target", "label", "truth", "actual", "actuals", "outcome", "gt", "groundtruth", "labels"}
)
OUTCOMES = frozenset(
    {
        "churn",
        "churned",
        "default",
        "defaulted",
        "survived",
        "fraud",
        "fraudulent",
        "converted",
        "conversion",
        "clicked",
        "click",
        "purchased",
        "repaid",
        "readmitted",
        "employed",
        "approved",
        "cancelled",
        "canceled",
        "returned",
        "bought",
        "responded",
        "attrition",
        "exited",
        "died",
    }
)
"""Of what often is to be predicted."""
YES = frozenset({"yes", "y", "true", "ja", "j", "oui", "si", "sí", "sim"})
NO = frozenset({"no", "n", "false", "nein", "non", "não", "nee"})
"""Of what says yes or no in a column of texts."""
SPLITS = frozenset({"period", "split", "partition", "chunk", "fold", "subset", "dataset", "batch"})
"""Of what says which part of the data a row belongs to."""
ENVIRONMENT = frozenset(
    {
        "env",
        "environment",
        "service",
        "host",
        "hostname",
        "pod",
        "node",
        "namespace",
        "schema",
        "source",
        "producer",
        "logger",
        "thread",
        "api",
        "endpoint",
        "method",
        "http",
        "agent",
        "sdk",
        "content",
        "encoding",
        "user",
    }
)

FEATURE_HOLDERS = frozenset(
    {
        "features",
        "feature",
        "inputs",
        "input",
        "request",
        "instance",
        "instances",
        "attributes",
        "x",
        "payload",
        "params",
        "parameters",
    }
)
OUTPUT_HOLDERS = frozenset(
    {
        "outputs",
        "output",
        "response",
        "responses",
        "prediction",
        "predictions",
        "result",
        "results",
        "answer",
        "scores",
    }
)
OTHER_HOLDERS = frozenset(
    {
        "meta",
        "metadata",
        "context",
        "headers",
        "header",
        "trace",
        "tracing",
        "log",
        "kubernetes",
        "env",
        "envelope",
        "info",
        "system",
        "timing",
        "timings",
        "debug",
        "eventmetadata",
    }
)
LABEL_HOLDERS = frozenset({"labels", "label", "truth", "target", "targets", "feedback", "outcome"})

# Too short to count within a longer name, as in check_in or time_out.
_SHORT_HOLDERS = {"in": FEATURE_HOLDERS, "out": OUTPUT_HOLDERS, "hdr": OTHER_HOLDERS}

UNITS = {
    "eur": "EUR",
    "usd": "USD",
    "gbp": "GBP",
    "chf": "CHF",
    "cents": "cents",
    "cent": "cents",
    "ms": "ms",
    "msec": "ms",
    "sec": "s",
    "secs": "s",
    "seconds": "s",
    "minutes": "min",
    "mins": "min",
    "min": "",
    "hours": "h",
    "hrs": "h",
    "days": "days",
    "weeks": "weeks",
    "months": "months",
    "years": "years",
    "km": "km",
    "miles": "miles",
    "meters": "m",
    "metres": "m",
    "cm": "cm",
    "mm": "mm",
    "kg": "kg",
    "lbs": "lb",
    "celsius": "°C",
    "degc": "°C",
    "fahrenheit": "°F",
    "kelvin": "K",
    "percent": "%",
    "pct": "%",
    "perc": "%",
    "kwh": "kWh",
    "kw": "kW",
    "watts": "W",
    "watt": "W",
    "volt": "V",
    "volts": "V",
    "amps": "A",
    "hz": "Hz",
    "rpm": "rpm",
    "bar": "bar",
    "psi": "psi",
    "kpa": "kPa",
    "hpa": "hPa",
    "pa": "Pa",
    "kb": "kB",
    "mb": "MB",
    "gb": "GB",
    "tb": "TB",
    "bytes": "B",
    "kmh": "km/h",
    "mph": "mph",
    "litre": "l",
    "litres": "l",
    "liters": "l",
    "dollars": "USD",
    "euros": "EUR",
}
"""By the last word of a column's name: the unit of its numbers."""
_AMBIGUOUS = frozenset({"min", "bar", "pa", "c"})


def words(name: str) -> list[str]:
    """Take a name apart into words in lower case.

    Examples
    --------
    >>> words("y_pred_proba"), words("RequestID"), words("customerId"), words("p10")
    (['y', 'pred', 'proba'], ['request', 'id'], ['customer', 'id'], ['p', '10'])
    """
    return [word.lower() for word in _WORDS.findall(name)]


def has(name: str, hints: frozenset[str]) -> bool:
    """Tell whether a word of the name, or the name without what joins its words, is a hint.

    Examples
    --------
    >>> has("event_time", TIMES), has("timeout", TIMES), has("ground_truth", LABELS)
    (True, False, True)
    """
    found = words(name)
    return bool(hints & set(found)) or "".join(found) in hints


def unit_of_name(name: str) -> str:
    """Return the unit that a name ends in; empty where it names none.

    Examples
    --------
    >>> unit_of_name("tenure_months"), unit_of_name("data_gb"), unit_of_name("score_min")
    ('months', 'GB', '')
    """
    found = words(name)
    if len(found) < 2 or found[-1] in _AMBIGUOUS or "per" in found:
        return ""
    return UNITS.get(found[-1], "")


def shares_word(name: str, other: str) -> bool:
    """Tell whether a long word of one name begins as one of the other does.

    Examples
    --------
    >>> shares_word("churned", "churn_probability"), shares_word("age", "agent")
    (True, False)
    """
    ours = [word for word in words(name) if len(word) >= 5 or word in OUTCOMES]
    theirs = [word for word in words(other) if len(word) >= 5 or word in OUTCOMES]
    return any(a[:5] == b[:5] for a in ours for b in theirs)


def holds(step: str, holders: frozenset[str]) -> bool:
    """Tell whether a key of an object hints at what lies in it.

    Examples
    --------
    >>> holds("model_inputs", FEATURE_HOLDERS), holds("in", FEATURE_HOLDERS)
    (True, True)
    >>> holds("check_in", FEATURE_HOLDERS)
    False
    """
    return has(step, holders) or _SHORT_HOLDERS.get(step.lower()) is holders
