"""Real Kafka and Flink as child processes on the loopback interface, without containers.

The demo, the integration tests and the benchmarks stand on these parts. Nothing here imports
pyflink: Flink is started through the scripts that its wheel brings.
"""
