"""The steps of a study in words, and what its researcher does next."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet
from django.urls import reverse

from annotation.models import Arm, BlindingAudit, Reader, Study
from annotation.references import lacking
from generation.models import Job, Run

State = Study.State


@dataclass(frozen=True)
class Step:
    """A state of a study, what it means, and what it waits for."""

    state: str
    words: str
    waits_for: str


STEPS = [
    Step(State.DRAFT, "Prompts, references and generators are chosen", "Generate the images"),
    Step(State.IMAGES, "Generators make the image sets", "Complete and look through the images"),
    Step(State.CHECKED, "Sets are complete and looked at", "Seal the study"),
    Step(State.SEALED, "Nothing that readers see can change", "Add readers and open it to them"),
    Step(State.RUNNING, "Readers are at work", "Wait for the readers, then close it"),
    Step(State.CLOSED, "No more answers; results may be seen", "Read the report"),
    Step(State.UNBLINDED, "Who was unblinded, when and why is on record", "Read the report"),
]


@dataclass(frozen=True)
class Lack:
    """What is missing before a step can be taken, and the link by which it is mended."""

    words: str
    link: str
    address: str


@dataclass(frozen=True)
class Next:
    """What to do next and why.

    Attributes:
        act: the act that its button asks for; empty while there is only waiting or mending.
        warning: what can't be undone; asked once more before the act.
        missing: what is to be mended before the act can be asked for.
        urgent: whether the button is the thing to do, and not just possible.
    """

    words: str
    act: str = ""
    button: str = ""
    warning: str = ""
    urgent: bool = True
    missing: Lack | None = None


def next_for(
    study: Study,
    *,
    runs: Sequence[Run],
    readers: Sequence[Any],
    opening: BlindingAudit | None = None,
) -> Next:
    """What the study's researcher does next."""
    active = [reader for reader in readers if reader.state != Reader.State.REVOKED]
    match study.state:
        case State.DRAFT:
            return _next_of_draft(study)
        case State.IMAGES:
            return _next_of_images(runs)
        case State.CHECKED:
            return Next(
                "Seal the study. Protocol, prompts, images and generators are then fixed by a "
                "checksum, so that anyone can check that readers saw what was planned.",
                "seal",
                "Seal study",
                "After sealing, nothing that readers see can change. A change means a new study.",
            )
        case State.SEALED if opening and opening.unfinished:
            return Next(
                "The study is being opened: all that its readers could see is searched for "
                "anything that tells generators apart. You can leave the page; the work goes on."
            )
        case State.SEALED if not active:
            return Next(
                "The study can be opened once one reader has accepted: all that a reader could see "
                "is first fetched as that reader, and searched for anything that tells "
                "generators apart. Others can join while it runs.",
                missing=_no_reader(study),
            )
        case State.SEALED:
            return Next(
                "Open the study to its readers. First, all that they could see is searched for "
                "anything that tells generators apart; this takes a minute or two.",
                "open",
                "Open to readers",
            )
        case State.RUNNING:
            return _next_of_reading(active)
    return Next("Compute and read the report, and take the data with you.")


def _next_of_draft(study: Study) -> Next:
    if lacks := lacking(study):
        first = lacks[0][0]
        return Next(
            "Complete the draft. Then ask for its images.",
            missing=Lack(
                f"References are missing in {len(lacks)} of {study.cases.count()} cases.",
                "Choose them",
                reverse("annotation:case-references", args=[study.slug, first.position]),
            ),
        )
    if not any(arm.generator and arm.generator.can_sample for arm in _generated(study)):
        return Next(
            "Look through the references, then go on to the images: all were imported, so they are "
            "there at once. After this step the draft can't be changed any more.",
            "generate",
            "Use the imported images",
        )
    return Next(
        "Ask the generators for the images, once you have looked through the references. It can "
        "take long; you can leave the page. After this step the draft can't be changed any more.",
        "generate",
        "Generate images",
    )


def _no_reader(study: Study) -> Lack:
    waiting = list(study.invitations.waiting())
    expired = sum(invitation.expired for invitation in waiting)
    said = ["There is no reader yet."]
    if still := len(waiting) - expired:
        said.append(f"{_invitations(still)} wait{'s' * (still == 1)} to be accepted.")
    if expired:
        said.append(f"{_invitations(expired)} expired: renew or revoke below.")
    link = "Look at the invitations" if waiting else "Invite or add one"
    return Lack(" ".join(said), link, "#invite")


def _invitations(number: int) -> str:
    return "An invitation" if number == 1 else f"{number} invitations"


def _generated(study: Study) -> QuerySet[Arm]:
    return study.arms.exclude(generator=None).select_related("generator")


def _next_of_images(runs: Sequence[Run]) -> Next:
    if any(run.status in (Job.Status.QUEUED, Job.Status.RUNNING) for run in runs):
        return Next("The generators are at work. You can leave the page; the work goes on.")
    if any(run.status != Job.Status.DONE for run in runs):
        return Next(
            "Images are missing. What went wrong stands below: mend it and try again. "
            "The images that are there are kept."
        )
    return Next(
        "All images are there. Look through the cases, then confirm that you have: "
        "readers will see what you see, without the names.",
        "check",
        "I have looked: all is well",
    )


def _next_of_reading(readers: Sequence[Any]) -> Next:
    done = bool(readers) and all(reader.through for reader in readers)
    return Next(
        "All readers are done. Close the study to see the results."
        if done
        else "Wait for the readers. Scores by arm stay hidden until you close the study.",
        "close",
        "Close study",
        "Readers can't answer any more after closing, and it can't be opened again."
        + ("" if done else " Not all of them are done."),
        urgent=done,
    )
