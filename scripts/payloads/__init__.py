"""Payloads that the clients of model servers make, as fixtures of tests."""
