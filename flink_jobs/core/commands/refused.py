"""Commands that cannot be carried out."""


class RefusedCommandError(ValueError):
    """A command that cannot be carried out; the message says what to do."""
