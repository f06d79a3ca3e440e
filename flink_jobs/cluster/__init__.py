"""Talking to a Flink cluster: prerequisites, REST, submission."""
