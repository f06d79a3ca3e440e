"""The Flink side: translates between Flink and the core, and decides nothing."""
