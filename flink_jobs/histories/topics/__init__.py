"""Histories on a Kafka topic."""
