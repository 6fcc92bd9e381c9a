"""The two exceptions a person can meet: one for what they typed, one for what a job could not do."""


class UsageError(ValueError):
    """Something the user wrote is wrong: the message says what was got, what was expected, what to do."""


class Unsupported(ValueError):
    """A model, network or metric cannot serve this case; the message is the reason shown to people."""


class Diverged(ArithmeticError):
    """A trajectory or a loss left the finite numbers; the message says where and when."""
