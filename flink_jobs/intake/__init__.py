"""The way of an event from bytes to the columns of a pane."""
