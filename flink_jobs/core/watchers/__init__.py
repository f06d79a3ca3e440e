"""Watchers of a model: they look at its windows and judge them."""
