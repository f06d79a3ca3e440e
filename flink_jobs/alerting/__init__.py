"""Reading what the drift job writes: follow a topic, drop duplicates, show a timeline.

This is what a downstream user would write. It needs Kafka and the records, and nothing of Flink.
"""
