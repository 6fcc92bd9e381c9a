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


def printable(text: str) -> str:
    """`text` in one line; what a terminal might act upon, or no encoding takes, as its code (``\\x1b``)."""
    return escaped(" ".join(text.split()))


def escaped(text: str, but: str = "") -> str:
    """`text` with every character that is not to be seen, and not one of `but`, as its code."""
    odd = {c for c in set(text) if not c.isprintable()} - set(but)
    return text.translate({ord(c): c.encode("unicode_escape").decode("ascii") for c in odd})


_LONGEST = 1000  # some readers quote all that they could not read


def text_of(error: BaseException) -> str:
    """What `error` says, in one printable line of no more than `_LONGEST` characters."""
    try:
        text = printable(str(error))
        return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} …"
    except Exception as second:  # an exception of a plug-in may fail to say what it is
        return f"(its text cannot be had: {type(second).__name__})"


def said(error: BaseException) -> str:
    """What `error` says, as `text_of` has it; its type where it says nothing."""
    return text_of(error) or type(error).__name__
