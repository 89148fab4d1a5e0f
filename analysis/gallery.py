"""What the gallery shows of a study's images, and what an inspection says of them."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from django.core.paginator import Page, Paginator
from django.db.models import Prefetch, QuerySet

from analysis.metrics.quality import KINDS
from analysis.models import ImageFlag, Inspection, Neighbour
from annotation.cases import last_left_out
from annotation.models import Case, CaseReference, CaseSet, Study
from generation.models import Image

SETS_A_PAGE = 24
ANY = "any"  # flag, whatever it is


@dataclass(frozen=True)
class Narrowed:
    """What a researcher wants to see: of one case, of one arm, what is flagged."""

    case: int | None = None
    arm: int | None = None  # by position
    flag: str = ""


@dataclass
class ShownSet:
    """A set with the flags of its images, and their nearest training images, nearest first."""

    case_set: CaseSet
    images: list[tuple[Image, list[ImageFlag]]]
    neighbours: list[Neighbour] = field(default_factory=list)

    @property
    def flags(self) -> list[tuple[int, ImageFlag]]:
        """With the number of the image in its set."""
        return [(n, flag) for n, (_, flags) in enumerate(self.images, 1) for flag in flags]


@dataclass
class ShownCase:
    case: Case
    references: list[Image]
    sets: list[ShownSet]


def latest_inspection(study: Study) -> Inspection | None:
    return Inspection.objects.filter(study=study).first()


def finished_inspection(study: Study) -> Inspection | None:
    """The newest whose findings are there."""
    return Inspection.objects.filter(study=study, status=Inspection.Status.DONE).first()


def is_stale(study: Study, inspection: Inspection) -> bool:
    """Whether images have come since, or cases that were left out then."""
    sets = CaseSet.objects.filter(case__study=study)
    then_out = [event.detail["case"] for event in last_left_out(study, at=inspection.started_at)]
    return (
        sets.filter(image_set__images__created_at__gt=inspection.started_at).exists()
        or study.cases.filter(position__in=then_out).exists()
    )


def flag_counts(inspection: Inspection | None) -> list[tuple[str, str, int]]:
    """(key, words, images) of every kind of flag that there is, and of any."""
    flags = _flags(inspection)
    counts = Counter(flags.values_list("kind", flat=True))
    flagged = flags.values("image").distinct().count()
    kinds = [(key, words, counts[key]) for key, words in KINDS.items() if counts[key]]
    return [(ANY, "flagged", flagged), *kinds] if flagged else []


def shown_cases(
    study: Study, inspection: Inspection | None, narrowed: Narrowed, *, page: str | None
) -> tuple[Page, list[ShownCase]]:
    """A page of cases, of about `SETS_A_PAGE` sets, and what is shown of them."""
    flags = _flags(inspection)
    if narrowed.flag != ANY:
        flags = flags.filter(kind=narrowed.flag) if narrowed.flag else flags
    sets = CaseSet.objects.filter(case__study=study)
    if narrowed.arm is not None:
        sets = sets.filter(arm__position=narrowed.arm)
    if narrowed.flag:
        sets = sets.filter(pk__in=flags.values("case_set"))
    cases = study.cases.select_related("prompt__rephrasing_of")
    if narrowed.case is not None:
        cases = cases.filter(position=narrowed.case)
    if narrowed.flag or narrowed.arm is not None:
        cases = cases.filter(pk__in=sets.values("case"))
    arms = 1 if narrowed.arm is not None else max(1, study.arms.count())
    found = Paginator(cases.order_by("position"), max(1, SETS_A_PAGE // arms)).get_page(page)
    return found, _cases(list(found.object_list), sets, inspection)


def _flags(inspection: Inspection | None) -> QuerySet[ImageFlag]:
    return ImageFlag.objects.filter(inspection=inspection).now()


def _cases(
    cases: Sequence[Case], sets: QuerySet[CaseSet], inspection: Inspection | None
) -> list[ShownCase]:
    """These cases with the sets that are asked for, in few queries for all of them."""
    references: dict[int, list[Image]] = defaultdict(list)
    for link in CaseReference.objects.filter(case__in=cases):
        references[link.case_id].append(link.image)
    shown = (
        sets.filter(case__in=cases)
        .select_related("arm__generator", "image_set__run")
        .prefetch_related("links", Prefetch("image_set__images", Image.objects.order_by("index")))
        .order_by("arm__position")
    )
    images = {one.pk: one.images() for one in shown}
    flags: dict[tuple[int, int], list[ImageFlag]] = defaultdict(list)
    for flag in _flags(inspection).filter(case_set__in=list(images)):
        flag.words = KINDS.get(flag.kind, flag.kind)  # type: ignore[attr-defined]
        flags[flag.case_set_id, flag.image_id].append(flag)
    near = _neighbours(inspection, [image for group in images.values() for image in group])
    by_case: dict[int, list[ShownSet]] = defaultdict(list)
    for one in shown:
        there = images[one.pk]
        neighbours = [near[image.pk] for image in there if image.pk in near]
        by_case[one.case_id].append(
            ShownSet(
                one,
                [(image, flags[one.pk, image.pk]) for image in there],
                sorted(neighbours, key=lambda found: found.distance),
            )
        )
    return [ShownCase(case, references[case.pk], by_case[case.pk]) for case in cases]


def _neighbours(inspection: Inspection | None, images: Sequence[Image]) -> dict[int, Neighbour]:
    """By image; with the image's number in its set, and in whole percent how many held-out
    images lie farther from any training image."""
    found = Neighbour.objects.filter(inspection=inspection, image__in=images)
    places = {image.pk: image.index or 0 for image in images}
    near = {}
    for one in found.select_related("training"):
        one.number = places[one.image_id] + 1  # type: ignore[attr-defined]
        if one.as_near is not None:
            one.nearer_than = round(100 * (1 - one.as_near))  # type: ignore[attr-defined]
        near[one.image_id] = one
    return near
