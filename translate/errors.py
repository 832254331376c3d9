"""What a user can do something about: the two kinds of expected errors, and their exit codes."""


class InputError(ValueError):
    """A file, corpus, model or hub that is missing or bad; the command line exits with 3."""


class UsageError(ValueError):
    """A flag, key or combination of settings that makes no sense; the command line exits with 2."""
