"""The references of a draft, chosen by hand: added, removed, swapped."""

from collections.abc import Collection

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import QuerySet

from annotation.errors import StudyError
from annotation.models import Case, CaseImage, CaseReference, Study
from annotation.real_images import trained_on
from annotation.steps import hold_in_state, record
from generation.models import Generator, Image


def references_of(study: Study) -> dict[int, list[Image]]:
    """By the prompt's primary key, the images in the order shown."""
    found: dict[int, list[Image]] = {}
    links = CaseReference.objects.filter(case__study=study).select_related("case", "image")
    for link in links.order_by("case", "position"):
        found.setdefault(link.case.prompt_id, []).append(link.image)
    return found


def lacking(study: Study) -> list[tuple[Case, int]]:
    """Cases with fewer references than the protocol shows, and how many they have."""
    wanted = study.protocol.references_per_case
    there = references_of(study)
    cases = study.cases.select_related("prompt")
    return [
        (case, number) for case in cases if (number := len(there.get(case.prompt_id, ()))) < wanted
    ]


def pair_of(case: Case) -> QuerySet[Case]:
    """The cases of the same pair of prompts, which show the same references."""
    original = case.prompt.original
    pair = [original, *original.rephrasings.all()]
    return Case.objects.filter(study=case.study_id, prompt__in=pair)


def barred(study: Study) -> QuerySet[CaseImage]:
    """Real images that are hidden among the arms: nobody may see them as references."""
    return CaseImage.objects.filter(case_set__case__study=study, case_set__arm__generator=None)


def usable(images: Collection[Image], study: Study) -> list[Image]:
    """Those of some real images that may be references of this study."""
    seen = trained_on(images, Generator.objects.filter(arms__study=study))
    hidden = set(barred(study).values_list("image__sha256", flat=True))
    return [image for image in images if image.sha256 not in seen | hidden]


@transaction.atomic
def change_references(
    *, study: Study, case: Case, by: User, add: Image | None = None, remove: Image | None = None
) -> None:
    """Add an image to the references of a case and of the other case of its pair, remove one, or
    put one in another's place.

    Raises:
        StudyError: the study is no draft any more, there are as many as the protocol shows, or the
            image can't be a reference.
    """
    hold_in_state(study, act="change the references of", when=[Study.State.DRAFT])
    images = [link.image for link in case.casereference_set.order_by("position")]
    if remove is not None and remove not in images:
        raise StudyError(f"“{remove}” is no reference of case {case.position} any more.")
    if add is not None:
        _check_addition(study, case, images, add, swaps=remove is not None)
    if add and remove:
        images[images.index(remove)] = add
    elif add:
        images.append(add)
    elif remove:
        images.remove(remove)
    for one in pair_of(case):
        one.casereference_set.all().delete()
        CaseReference.objects.bulk_create(
            CaseReference(case=one, image=image, position=i) for i, image in enumerate(images, 1)
        )
    said = {"added": add, "removed": remove}
    names = {what: image.name for what, image in said.items() if image}
    record(study, "change references", by, case=case.position, **names)


def _check_addition(
    study: Study, case: Case, images: list[Image], add: Image, *, swaps: bool
) -> None:
    most = study.protocol.references_per_case
    if len(images) - swaps >= most:
        raise StudyError(
            f"Case {case.position} has its {most} references: mark the one that “{add}” shall "
            "take the place of."
        )
    if add.sha256 in {image.sha256 for image in images}:
        raise StudyError(f"“{add}” is a reference of case {case.position} already.")
    if add.kind != Image.Kind.REAL or not usable([add], study):
        raise StudyError(
            f"“{add}” can't be a reference: it is hidden among the sets of this study, or a "
            "generator may have been trained on it."
        )
