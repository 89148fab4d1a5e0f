"""One progress bar for all commands."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


@contextmanager
def progress_bar(
    title: str, *, on: bool = True, time_left: bool = True
) -> Iterator[Callable[..., None]]:
    """Yields ``show(done, total, title=None)``; a new title may be given with any step.

    Nothing is shown with ``on`` False: of several processes one shall speak. With ``time_left``
    False no time is estimated, where the title says one.
    """
    columns = [TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()]
    if time_left:
        columns.append(TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not on) as bar:
        task = bar.add_task(title, total=None)

        def show(done: int, total: int, title: str | None = None) -> None:
            bar.update(task, completed=done, total=total, description=title)

        try:
            yield show
        finally:
            if not bar.tasks[task].total:
                bar.remove_task(task)  # nothing was begun
