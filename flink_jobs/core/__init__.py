"""The monitor: panes and state in, actions out. Imports no Flink and does no I/O."""
