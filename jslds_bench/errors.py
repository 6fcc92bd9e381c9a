"""The exceptions that a person can meet: for what they typed, and for what a job could not do."""


class UsageError(ValueError):
    """Something the user wrote is wrong: the message says what was got, what was expected, what to do."""


class BrokenPlugin(UsageError):
    """A plug-in that does not import: a run goes on without what it would have registered."""


class Unsupported(ValueError):
    """A model, network or metric cannot serve this case; the message is the reason shown to people."""


class NotApplicable(Unsupported):
    """The data lack what a model is made of: its job is n/a and not failed, for nothing went wrong."""


class Diverged(ArithmeticError):
    """A trajectory or a loss left the finite numbers; the message says where and when."""
