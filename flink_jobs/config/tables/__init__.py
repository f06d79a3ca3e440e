"""The tables of a configuration."""
