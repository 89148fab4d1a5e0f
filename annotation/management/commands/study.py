"""A study's whole life from a shell: where it stands, and its steps."""

from argparse import ArgumentParser
from collections.abc import Callable
from time import sleep
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError, CommandParser

from annotation import studies
from annotation.errors import StudyError
from annotation.models import Study
from annotation.readers import with_standing
from annotation.views.next_steps import STEPS
from generation.management.lookup import one
from generation.management.output import add_json, say
from generation.management.progress import progress_bar
from generation.models import Job

State = Study.State
EVERY = 0.5  # seconds between two looks at the images
STEPS_TO_TAKE: dict[str, tuple[Callable[..., None], str]] = {
    "generate": (studies.generate_images, "draft → images: ask the generators for them"),
    "check": (studies.mark_checked, "images → checked: somebody has looked at all of them"),
    "seal": (studies.seal_study, "checked → sealed: nothing that readers see can change any more"),
    "open": (studies.open_study, "sealed → running, if an audit finds nothing that tells arms"),
    "close": (studies.close_study, "running → closed: no more answers; results may be seen"),
    "unblind": (studies.unblind_study, "show results by arm; needs a --reason"),
}


class Command(BaseCommand):
    help = (
        "Where studies stand, and their steps: create_study, then study generate, wait, check, "
        "seal; add_reader; study open; study close; report; export_study. A step is recorded as "
        "its owner's, or --by somebody else's."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        acts = parser.add_subparsers(dest="act", required=True, metavar="ACT")
        add_json(acts.add_parser("list", help="all studies, the newest first"))
        _of_study(acts.add_parser("show", help="where one stands"))
        _of_study(acts.add_parser("wait", help="until all images are there (manage.py worker)"))
        for act, (_, about) in STEPS_TO_TAKE.items():
            step = _of_study(acts.add_parser(act, help=about))
            step.add_argument("--by", metavar="ACCOUNT", help="whose act it is (the owner's)")
            if act == "unblind":
                step.add_argument("--reason", required=True, help="kept on record")

    def handle(self, *, act: str, json: bool, **options: Any) -> None:
        if act == "list":
            found = list(Study.objects.real())
            rows = [f"{each.slug}: {each.get_state_display().lower()}, “{each}”" for each in found]
            say(self, "\n".join(rows) or "No study yet.", [*map(_summary, found)], json=json)
            return
        study = one(Study, options["study"])
        if act == "wait":
            _wait(study)
        elif act != "show":
            _step(study, act, options)
        study.refresh_from_db()
        summary = _summary(study)
        say(self, _words(study, summary), summary, json=json)


def _of_study(parser: ArgumentParser) -> ArgumentParser:
    parser.add_argument("study", help="the study's slug")
    add_json(parser)
    return parser


def _step(study: Study, act: str, options: dict[str, Any]) -> None:
    by = one(User, options["by"], field="username") if options["by"] else study.owner
    given = {"reason": options["reason"]} if act == "unblind" else {}
    take, _ = STEPS_TO_TAKE[act]
    try:
        if act == "open":
            with progress_bar("Auditing the blinding") as show:
                take(study=study, by=by, progress=show)
        else:
            take(study=study, by=by, **given)
    except StudyError as error:
        raise CommandError(str(error)) from error


def _wait(study: Study) -> None:
    """Until its runs are over, however they end; raises CommandError where images are missing."""
    try:
        with progress_bar(f"Images of “{study}”") as show:
            while True:
                runs = list(study.runs().select_related("generator"))
                show(sum(run.done for run in runs), sum(run.total for run in runs))
                if not any(run.unfinished for run in runs):
                    break
                sleep(EVERY)
    except KeyboardInterrupt:
        raise CommandError("No longer waiting; the work goes on.", returncode=130) from None
    if not runs:
        raise CommandError(f"“{study}” has asked for no images yet: study generate {study.slug}")
    failed = [run for run in runs if run.status != Job.Status.DONE]
    # A run may have failed in sets that were sampled again since.
    if failed and study.arms.filter(
        sets__image_set__isnull=False, sets__image_set__completed_at=None
    ):
        said = "; ".join(f"run {run.pk} ({run.generator}) is {run.status}" for run in failed)
        raise CommandError(f"Images are missing: {said}. See generate --resume RUN.")


def _summary(study: Study) -> dict[str, Any]:
    """Keys as in the API."""
    arms = study.arms.select_related("generator", "run")
    times = ("created_at", "sealed_at", "opened_at", "closed_at", "unblinded_at")
    return {
        "slug": study.slug,
        "title": study.title,
        "state": study.state,
        "owner": study.owner.get_username(),
        "protocol": study.protocol.name,
        "seed": study.seed,
        "cases": study.cases.filter(practice=False).count(),
        "practice_cases": study.cases.filter(practice=True).count(),
        "results_visible": study.results_visible,
        "manifest_digest": study.manifest_digest,
        "record_digest": study.record_digest,
        **{name: getattr(study, name) for name in times},
        "arms": [
            {
                "name": str(arm),
                "run": arm.run_id,
                "status": arm.run.status if arm.run else "",
                "done": arm.run.done if arm.run else 0,
                "total": arm.run.total if arm.run else 0,
            }
            for arm in arms
        ],
        "readers": [
            {
                "pseudonym": reader.pseudonym,
                "standing": reader.standing,
                "readings": reader.planned,
                "readings_submitted": reader.submitted,
            }
            for reader in with_standing(study)
        ],
    }


def _words(study: Study, summary: dict[str, Any]) -> str:
    next_ = next(step.waits_for for step in STEPS if step.state == study.state)
    lines = [f"“{study}” is {study.get_state_display().lower()}. Next: {next_.lower()}."]
    for arm in summary["arms"]:
        images = f"{arm['done']} of {arm['total']} images" if arm["run"] else "no images asked for"
        lines.append(f"  {arm['name']}: {images}")
    for reader in summary["readers"]:
        done = f"{reader['readings_submitted']} of {reader['readings']} cases"
        lines.append(f"  {reader['pseudonym']}: {reader['standing']}, {done}")
    return "\n".join(lines)
