"""What is said when something can't be done."""

from collections.abc import Sequence


class StudyError(ValueError):
    """The study can't be made or moved on; the message says what is wrong and how to mend it."""


class AnswerError(ValueError):
    """The answer can't be taken; the message says why, in words for the reader."""


def listed(items: Sequence[str], most: int = 5) -> str:
    """The first of many, and how many more there are."""
    rest = len(items) - most
    return "; ".join(items[:most]) + (f"; and {rest} more" if rest > 0 else "")
