"""A prompts file: a column ``prompt``; if wanted, ``rephrasing`` and ``reference_caption``."""

from dataclasses import dataclass, field

from generation.datasets import DatasetError
from generation.datasets.records import MAX_CAPTION
from generation.datasets.tables import File, read_rows


@dataclass(frozen=True)
class PromptRow:
    """A prompt; "" where it has no rephrasing or its own text finds its reference images."""

    prompt: str
    rephrasing: str = ""
    reference_caption: str = ""
    line: int = field(default=0, compare=False)


def read_prompts(file: File) -> list[PromptRow]:
    """Read and check a prompts file; other columns are left alone.

    Raises DatasetError with every problem: empty, overlong or repeated prompts, a rephrasing equal
    to its prompt, and what `read_rows` refuses.
    """
    problems: list[str] = []
    rows: list[PromptRow] = []
    seen: dict[str, int] = {}
    for line, cells in read_rows(file, required={"prompt"}):
        row = PromptRow(
            cells["prompt"], cells.get("rephrasing", ""), cells.get("reference_caption", ""), line
        )
        if not row.prompt:
            problems.append(f"{file.name}, line {line}: the prompt is empty.")
        for text in filter(None, (row.prompt, row.rephrasing)):
            if len(text) > MAX_CAPTION:
                problems.append(
                    f"{file.name}, line {line}: {len(text)} characters; {MAX_CAPTION} are the most."
                )
            if text in seen:
                problems.append(
                    f"{file.name}, line {line}: “{text}” stands in line {seen[text]} already."
                )
            seen.setdefault(text, line)
        rows.append(row)
    if not rows:
        problems.append(f"{file.name} has no prompts.")
    if problems:
        raise DatasetError(problems)
    return rows
