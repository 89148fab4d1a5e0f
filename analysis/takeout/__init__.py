"""Taking a study home as one ZIP, and bringing such a ZIP into another Blindread.

Every kind of row stands in a table of its own (`tables`), which knows both ways: its rows as they
leave and what becomes of them where they arrive. Rows name each other by what people can read
(pseudonym, case, letter), never by a primary key, so that the same study gives the same bytes
wherever it is.
"""

from collections.abc import Sequence


class TakeoutError(ValueError):
    """A study can't leave or arrive; ``problems`` says what is wrong and how to mend it."""

    def __init__(self, problems: str | Sequence[str]) -> None:
        self.problems = [problems] if isinstance(problems, str) else list(problems)
        super().__init__("\n".join(self.problems))
