"""Meaning of a drift: events that show it, classes that it moved, and harm to the model."""
