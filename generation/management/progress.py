"""One progress bar for all commands."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

BETWEEN_LINES = 60  # seconds: a day of training makes a log of 1,440 lines


@contextmanager
def progress_bar(
    title: str, *, on: bool = True, time_left: bool = True
) -> Iterator[Callable[..., None]]:
    """Yields ``show(done, total, title=None)``; a new title may be given with any step.

    Where standard error is a file, as under a scheduler of a cluster, a line each minute stands in
    for the bar. Nothing is shown with ``on`` False: of several processes one shall speak. With
    ``time_left`` False no time is estimated, where the title says one.
    """
    columns = [TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()]
    if time_left:
        columns.append(TimeRemainingColumn())
    console = Console(stderr=True)
    said = time.monotonic()
    with Progress(*columns, console=console, disable=not on) as bar:
        task = bar.add_task(title, total=None)

        def show(done: int, total: int, title: str | None = None) -> None:
            nonlocal said
            bar.update(task, completed=done, total=total, description=title)
            if on and not console.is_terminal and time.monotonic() - said >= BETWEEN_LINES:
                said = time.monotonic()
                console.print(f"{bar.tasks[task].description} {done}/{total}", highlight=False)

        try:
            yield show
        finally:
            if not bar.tasks[task].total:
                bar.remove_task(task)  # nothing was begun
