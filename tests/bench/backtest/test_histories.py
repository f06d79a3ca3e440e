import pyarrow.parquet as pq

from flink_jobs.config.views import views_of
from scripts.bench.backtest.histories import PLANS, named_config, write_parquet


def test_a_named_history_has_a_category_and_a_boolean_more(tmp_path):
    plain = pq.read_table(write_parquet(tmp_path / "plain.parquet", 1_000))
    named = pq.read_table(write_parquet(tmp_path / "named.parquet", 1_000, is_named=True))

    assert named.column_names == [*plain.column_names, "plan", "active"]
    assert named.select(plain.column_names).equals(plain)
    assert set(named["plan"].to_pylist()) == set(PLANS)
    assert set(named["active"].to_pylist()) == {True, False}


def test_as_many_named_columns_are_watched_as_outputs_without_names():
    (view,) = views_of(named_config())

    types = [column.type for column in view.columns]
    assert sorted(types) == ["boolean", "category", *["number"] * 8]
