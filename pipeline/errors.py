"""The errors that end a command with a message instead of a traceback."""


class BadInput(ValueError):
    """The user gave something that cannot work; one line says which key, which value and what is allowed (exit 2)."""


class RunFailed(RuntimeError):
    """A run could not finish; the message says what failed and how to go on (exit 1)."""
