"""Sample image sets here and now, without a worker, or leave them to the workers."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Event, Thread

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import OperationalError, connections

from generation.management.lookup import one
from generation.management.output import add_json, say
from generation.management.progress import progress_bar
from generation.models import Chunk, Dataset, Generator, Job, Run
from generation.runs import RunError, create_run, enqueue_run, work_through
from generation.templatetags.durations import duration, two_figures

EVERY = 0.5  # seconds between two looks at the run
INTERRUPTED = 130  # the exit status of what Ctrl-C ended


class Command(BaseCommand):
    help = (
        "Sample an image set for each prompt of a data set; --resume goes on with a run. Ctrl-C "
        "stops it, with nothing lost but the batch that it is at."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--resume", type=int, metavar="RUN", help="number of an earlier run")
        parser.add_argument("--generator", metavar="SLUG")
        parser.add_argument("--prompts-dataset", metavar="SLUG")
        parser.add_argument("--images-per-set", type=int, default=10, help="1 to 24; default: 10")
        parser.add_argument("--seed", type=int, default=0, help="default: 0")
        parser.add_argument("--priority", choices=[p.name.lower() for p in Run.Priority])
        parser.add_argument(
            "--owner", metavar="ACCOUNT", help="the researcher who sees it on the pages"
        )
        parser.add_argument(
            "--queue", action="store_true", help="leave it to the workers (manage.py worker)"
        )
        add_json(parser)

    def handle(self, **options) -> None:
        run = self._resumed(options) if options["resume"] is not None else self._new(options)
        if options["queue"]:
            enqueue_run(run)
            self._say(
                f"Run {run.pk} waits for the workers (manage.py worker): {run.total} images in "
                f"{run.image_sets.count()} sets. Its page: {run.get_absolute_url()}",
                run,
                json=options["json"],
            )
            return
        try:
            with _shown(run):
                work_through(run)
        except KeyboardInterrupt:
            run.refresh_from_db()
            raise CommandError(
                f"Stopped with {run.done} of {run.total} images; nothing is cancelled.\n"
                f"Go on with: manage.py generate --resume {run.pk}",
                returncode=INTERRUPTED,
            ) from None
        run.refresh_from_db()
        if run.status != Job.Status.DONE:
            raise CommandError(
                f"Run {run.pk} is {run.status} with {run.done} of {run.total} images. {run.error}\n"
                f"Go on with: manage.py generate --resume {run.pk}"
            )
        words = f"Run {run.pk}: {run.done} images in {run.image_sets.count()} sets."
        self._say(words, run, json=options["json"])

    def _say(self, words: str, run: Run, *, json: bool) -> None:
        said = {"run": run.pk, "status": run.status, "done": run.done, "total": run.total}
        say(self, words, said, json=json)

    def _new(self, options) -> Run:
        if not options["generator"] or not options["prompts_dataset"]:
            raise CommandError("Name a --generator and a --prompts-dataset, or a run to --resume.")
        try:
            return create_run(
                generator=one(Generator, options["generator"]),
                prompts=list(one(Dataset, options["prompts_dataset"]).prompts.all()),
                images_per_set=options["images_per_set"],
                seed=options["seed"],
                by=one(User, options["owner"], field="username") if options["owner"] else None,
                priority=_priority(options) or Run.Priority.NORMAL,
            )
        except RunError as error:
            raise CommandError(str(error)) from error

    def _resumed(self, options) -> Run:
        if given := [name for name in ("generator", "prompts_dataset", "owner") if options[name]]:
            flags = ", ".join(f"--{name.replace('_', '-')}" for name in given)
            raise CommandError(f"--resume goes on with a run as it is: leave out {flags}.")
        run = one(Run, str(options["resume"]), field="pk")
        if (priority := _priority(options)) is not None:
            Run.objects.filter(pk=run.pk).update(priority=priority)
        run.retry()
        return run


def _priority(options) -> Run.Priority | None:
    return Run.Priority[options["priority"].upper()] if options["priority"] else None


@contextmanager
def _shown(run: Run) -> Iterator[None]:
    """The run's progress bar, kept up in a thread: Ctrl-C comes to the main one, that works."""
    with progress_bar(_title(run), time_left=False) as show:
        over = Event()
        thread = Thread(target=_keep_showing, args=[run.pk, show, over])
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


def _keep_showing(pk: int, show: Callable[..., None], over: Event) -> None:
    try:
        last = False
        while not last:
            last = over.wait(EVERY)
            with suppress(OperationalError):  # the database is busy: the next look comes soon
                run = Run.objects.select_related("generator").get(pk=pk)
                show(run.done, run.total, _title(run))
    finally:
        connections.close_all()


def _title(run: Run) -> str:
    """What the run's page says beside the bar."""
    parts = [f"Run {run.pk}: {run.generator}"]
    if (rate := run.rate) and run.done < run.total:
        left = (run.total - run.done) / rate
        parts += [f"{two_figures(rate)} images/s", f"about {duration(left)} left"]
    if failed := Chunk.objects.filter(run=run, status=Job.Status.FAILED).count():
        parts.append("1 chunk failed" if failed == 1 else f"{failed} chunks failed")
    return " · ".join(parts)
