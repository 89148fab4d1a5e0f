"""Readers of data sets as people have them on disk. Pure: they check everything, write nothing."""


class DatasetError(ValueError):
    """What was read is not usable: a line for each of ``problems``, 20 in the message."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        more = len(problems) - 20
        lines = problems[:20] + ([f"… and {more} more"] if more > 0 else [])
        super().__init__("\n".join(lines))
