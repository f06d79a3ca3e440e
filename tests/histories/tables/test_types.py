"""What each type of a table is as a number, a category and a boolean."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flink_jobs.config.columns import Column
from flink_jobs.histories.tables.categories import codes_of
from flink_jobs.histories.tables.numbers import numbers_of
from flink_jobs.histories.tables.texts import text_of

DAY = date(2026, 1, 2)
MOMENT = datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)


@pytest.mark.parametrize(
    ("column", "number"),
    [
        (pa.array([200], pa.uint8()), 200.0),
        (pa.array([2**64 - 1], pa.uint64()), 2.0**64),
        (pa.array(np.array([0.5], np.float16)), 0.5),
        (pa.array([True]), 1.0),
        (pa.array([DAY]), 1_767_312_000_000.0),
        (pa.array([MOMENT], pa.timestamp("ns", "Asia/Tokyo")), 1_767_323_045_678.0),
        (pa.array([time(0, 1)], pa.time64("us")), 60_000.0),
        (pa.array([timedelta(seconds=2)], pa.duration("us")), 2_000.0),
        (pa.array([7]).dictionary_encode(), 7.0),
    ],
)
def test_a_number_is_taken_from_every_type_that_has_one(column: pa.Array, number: float) -> None:
    both = pa.concat_arrays([column, pa.nulls(1, column.type)])

    values, wrong = numbers_of(both)

    np.testing.assert_array_equal(values, [number, np.nan])
    assert not wrong


@given(st.lists(st.decimals(-(10**9), 10**9, places=3), max_size=8))
def test_a_decimal_is_the_float_nearest_to_it(values: list[Decimal]) -> None:
    found, _ = numbers_of(pa.array(values, pa.decimal128(20, 3)))

    assert found.tolist() == [float(str(value)) for value in values]


@given(
    st.lists(st.one_of(st.none(), st.sampled_from(["NA", "", " null ", "3.5", "x"])), max_size=6),
    st.sampled_from([pa.string(), pa.large_string(), pa.binary()]),
)
def test_words_for_missing_are_missing_and_other_text_is_not_a_number(
    texts: list[str | None], kind: pa.DataType
) -> None:
    column = pa.array(texts, pa.string()).cast(kind)

    values, wrong = numbers_of(column)
    _, written_wrong = numbers_of(column, is_written=True)

    assert np.isnan(values).all()
    assert sorted(wrong) == [row for row, text in enumerate(texts) if text in ("3.5", "x")]
    assert sorted(written_wrong) == [row for row, text in enumerate(texts) if text == "x"]


@pytest.mark.parametrize(
    ("column", "text"),
    [
        (pa.array([DAY]), "2026-01-02"),
        (pa.array([1], pa.timestamp("ns")), "1970-01-01 00:00:00.000000001"),
        (pa.array([Decimal("1.50")]), "1.50"),
        (pa.array(np.array([2.0], np.float16)), "2"),
        (pa.array([3.0]), "3"),
        (pa.array([True]), "true"),
        (pa.array(["NA"]), "NA"),
        (pa.array(["pro"], pa.large_string()), "pro"),
        (pa.array([b"pro"]).dictionary_encode(), "pro"),
    ],
)
def test_a_category_is_the_text_of_its_value(column: pa.Array, text: str) -> None:
    coded = codes_of(Column("c", "category", "feature"), column)

    assert coded.texts == [text]
    assert coded.wrong == {}


@pytest.mark.parametrize("value", [True, 1, 1.0, "TRUE", "1", b"true", Decimal(1)])
def test_a_boolean_is_one_however_it_is_written(value: Any) -> None:
    coded = codes_of(Column("b", "boolean", "feature"), pa.array([value, None]))

    assert (coded.texts, coded.wrong) == (["true"], {})
    assert np.isnan(coded.codes[1])


@pytest.mark.parametrize("column", [pa.array([DAY]), pa.array([[1]]), pa.array([{"a": 1}])])
@pytest.mark.parametrize("kind", ["boolean", "category"])
def test_what_is_neither_is_refused_by_its_value_or_type(column: pa.Array, kind: Any) -> None:
    coded = codes_of(Column("b", kind, "feature"), column)

    is_text = kind == "category" and pa.types.is_date(column.type)
    assert (0 in coded.wrong) is not is_text


def test_names_come_from_several_types() -> None:
    own = UUID(int=7)
    columns = {
        "7": pa.array([7]),
        "7.5": pa.array([7.5]),
        str(own): pa.array([own.bytes], pa.binary(16)),
        "2026-01-02": pa.array([DAY]),
        "abc": pa.array([b"abc"], pa.binary(3)),
    }

    assert {text: text_of(column)[0][0].as_py() for text, column in columns.items()} == {
        text: text for text in columns
    }
    assert text_of(pa.array([[1]]))[1] == {0: "holds several values"}
