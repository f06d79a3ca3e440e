"""Hostile payloads through packer and monitor, every one accounted for."""
