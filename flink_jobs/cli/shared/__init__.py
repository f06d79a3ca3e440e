"""Consoles, options and errors that commands share."""
