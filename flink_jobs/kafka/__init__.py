"""The job's other end: follow its topics, drop duplicates, show a timeline, send it commands.

This is what a downstream user would write. It needs Kafka and the records, and nothing of Flink.
"""
