"""The demonstration: one study on phantoms, from nothing to readers at work.

Each step looks at what is there first, so that an interrupted demonstration goes on.
"""

from collections.abc import Callable
from dataclasses import replace

from django.contrib.auth.models import Group, User

from annotation.drafts import create_study
from annotation.models import Study
from annotation.protocols import load_protocol
from annotation.readers import add_reader
from annotation.real_images import choose_references
from annotation.studies import generate_images, mark_checked, open_study, seal_study
from generation.models import Job
from generation.permissions import RESEARCHERS
from generation.phantoms import demo_generators, demo_prompts, phantom_dataset

RESEARCHER, READERS = "alice", ("bob", "carol")
PASSWORD = "phantom-demo"  # the demonstration listens on loopback only
TITLE = "Demonstration: colonoscopy phantoms"
SEED = 2024


class DemoFailed(RuntimeError):
    """A step of the demonstration failed; the message says which and why."""


def prepare(*, progress: Callable[[int, int], None] | None = None) -> Study:
    """Accounts, phantoms, generators and the study, its images queued."""
    owner = _account(RESEARCHER)
    owner.groups.add(Group.objects.get_or_create(name=RESEARCHERS)[0])
    dataset = phantom_dataset(progress=progress)
    study = Study.objects.filter(owner=owner, title=TITLE).first()
    if study is None:
        *prompts, practice, _ = demo_prompts(dataset)
        protocol = replace(load_protocol("prompt-to-polyp"), image_size=256)
        study = create_study(
            title=TITLE,
            protocol=protocol,
            prompts=prompts,
            references=choose_references(
                prompts=[*prompts, practice],
                dataset=dataset,
                split="test",
                count=protocol.references_per_case,
                seed=SEED,
            ),
            generators=demo_generators(dataset),
            practice=[practice],
            seed=SEED,
            owner=owner,
        )
    for name in READERS:
        reader = _account(name)
        if study.state not in (Study.State.CLOSED, Study.State.UNBLINDED):
            add_reader(study=study, user=reader, by=owner)
    if study.state == Study.State.DRAFT:
        generate_images(study=study, by=owner)
    return study


def image_progress(study: Study) -> tuple[int, int]:
    """(images there, images wanted). Raises DemoFailed when a run has failed."""
    runs = [arm.run for arm in study.arms.select_related("run") if arm.run]
    for run in runs:
        if run.status in (Job.Status.FAILED, Job.Status.CANCELLED):
            raise DemoFailed(f"The run of {run.generator} is {run.status}: {run.error}")
    total = sum(run.total for run in runs)
    if all(run.status == Job.Status.DONE for run in runs):
        return total, total
    return min(sum(run.done for run in runs), total - 1), total


def launch(study: Study) -> None:
    """Check, seal and open the study, as far as that hasn't been done."""
    study.refresh_from_db()
    steps: dict[str, Callable[..., None]] = {
        Study.State.IMAGES: mark_checked,
        Study.State.CHECKED: seal_study,
        Study.State.SEALED: open_study,
    }
    while step := steps.get(study.state):
        step(study=study, by=study.owner)


def _account(name: str) -> User:
    found = User.objects.filter(username=name).first()
    return found or User.objects.create_user(name, password=PASSWORD)
