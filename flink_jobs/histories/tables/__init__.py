"""Histories of columns: Parquet, CSV, Arrow."""
