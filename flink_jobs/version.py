"""The version that every alert carries."""

__version__ = "0.1.0"
