"""Sample image sets here and now, without a worker."""

from threading import Thread
from time import sleep

from django.core.management.base import BaseCommand, CommandError, CommandParser

from generation.jobs import perform
from generation.management.lookup import one
from generation.management.progress import progress_bar
from generation.models import Dataset, Generator, Job, Run
from generation.runs import RunError, create_run


class Command(BaseCommand):
    help = "Sample an image set for each prompt of a data set; --resume goes on with a run."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--resume", type=int, metavar="RUN", help="number of an earlier run")
        parser.add_argument("--generator", metavar="SLUG")
        parser.add_argument("--prompts-dataset", metavar="SLUG")
        parser.add_argument("--images-per-set", type=int, default=10)
        parser.add_argument("--seed", type=int, default=0)

    def handle(self, **options) -> None:
        run = self._resumed(options["resume"]) if options["resume"] else self._new(options)
        worker = Thread(target=perform, args=[Run, run.pk])
        worker.start()
        with progress_bar(f"Run {run.pk}: {run.generator}") as show:
            while worker.is_alive():
                sleep(0.5)
                run.refresh_from_db()
                show(run.done, run.total)
        run.refresh_from_db()
        if run.status != Job.Status.DONE:
            raise CommandError(
                f"Run {run.pk} is {run.status} with {run.done} of {run.total} images. {run.error}\n"
                f"Go on with: generate --resume {run.pk}"
            )
        self.stdout.write(f"Run {run.pk}: {run.done} images in {run.image_sets.count()} sets.")

    def _new(self, options) -> Run:
        if not options["generator"] or not options["prompts_dataset"]:
            raise CommandError("Name a --generator and a --prompts-dataset, or a run to --resume.")
        try:
            return create_run(
                generator=one(Generator, options["generator"]),
                prompts=list(one(Dataset, options["prompts_dataset"]).prompts.all()),
                images_per_set=options["images_per_set"],
                seed=options["seed"],
                by=None,
            )
        except RunError as error:
            raise CommandError(str(error)) from error

    def _resumed(self, pk: int) -> Run:
        run = one(Run, str(pk), field="pk")
        run.retry()
        return run
