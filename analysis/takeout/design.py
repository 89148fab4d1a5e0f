"""Tables of a study's design: itself, its arms and cases, and what each arm shows in each case."""

from collections.abc import Iterable

from django.utils import timezone

from analysis.dataset import case_frame
from analysis.takeout import TakeoutError
from analysis.takeout.arriving import Arriving
from analysis.takeout.cells import Row, Table, text, time, whole, yes_no
from analysis.takeout.corpus import IMAGE
from analysis.takeout.leaving import Leaving
from annotation.models import Arm, Case, CaseImage, CaseReference, CaseSet, Study

CASE = whole("case", "Number of the case, as in table cases.")
ARM = whole("arm", "Number of the arm, as in table arms.")
STUDY_FIELDS = ("title", "slug", "state", "seed", "secret", "simulated", "manifest_digest",
                "record_digest", "created_at", "sealed_at", "opened_at", "closed_at",
                "unblinded_at")  # fmt: skip
PROTOCOL, SEALED = "protocol.json", "sealed.json"


def _study_rows(leaving: Leaving) -> Iterable[Row]:
    yield {name: getattr(leaving.study, name) for name in STUDY_FIELDS}


def _restore_study(arriving: Arriving, rows: list[Row]) -> None:
    """Protocol and manifest are files of their own."""
    (row,) = rows
    if Study.objects.filter(slug=row["slug"]).exists():
        raise TakeoutError(
            f"There is a study “{row['slug']}” here already, perhaps from this very archive. Its "
            "record is bound to that name: import it into another Blindread."
        )
    study = Study(
        **row,
        owner=arriving.by,
        imported_at=timezone.now(),
        protocol_data=arriving.read_json(PROTOCOL),
        manifest=arriving.read_json(SEALED),
    )
    (arriving.study,) = arriving.create(Study, [study])


def _arm_rows(leaving: Leaving) -> Iterable[Row]:
    runs = {run.pk: place for run, place in leaving.runs.items()}
    for arm in leaving.study.arms.select_related("generator"):
        yield {
            "arm": arm.position,
            "name": str(arm),
            "generator": arm.generator.slug if arm.generator else "",
            "run": runs.get(arm.run_id or 0),
        }


def _restore_arms(arriving: Arriving, rows: list[Row]) -> None:
    arriving.arms = arriving.keyed(
        Arm,
        [row["arm"] for row in rows],
        [
            Arm(
                study=arriving.study,
                position=row["arm"],
                generator=arriving.generators[row["generator"]] if row["generator"] else None,
                run=arriving.runs[row["run"]] if row["run"] else None,
            )
            for row in rows
        ],
    )


def _case_rows(leaving: Leaving) -> Iterable[Row]:
    numbers = {prompt.pk: place for prompt, place in leaving.prompts.items()}
    frame = case_frame(leaving.study).set_index("case")
    for case in leaving.cases:
        counted = case.position in frame.index
        yield {
            "case": case.position,
            "prompt": numbers[case.prompt_id],
            "practice": case.practice,
            "pair": int(frame.loc[case.position, "pair"]) if counted else None,
            "wording": "rephrasing" if case.prompt.rephrasing_of_id else "original",
            "text": case.prompt.text,
        }


def _restore_cases(arriving: Arriving, rows: list[Row]) -> None:
    arriving.cases = arriving.keyed(
        Case,
        [row["case"] for row in rows],
        [
            Case(
                study=arriving.study,
                position=row["case"],
                prompt=arriving.prompts[row["prompt"]],
                practice=row["practice"],
            )
            for row in rows
        ],
    )


def _reference_rows(leaving: Leaving) -> Iterable[Row]:
    found = CaseReference.objects.filter(case__study=leaving.study)
    for case, place, image in found.order_by("case__position", "position").values_list(
        "case__position", "position", "image_id"
    ):
        yield {"case": case, "place": place, "image": leaving.image_numbers[image]}


def _restore_references(arriving: Arriving, rows: list[Row]) -> None:
    arriving.create(
        CaseReference,
        (
            CaseReference(
                case=arriving.cases[row["case"]],
                position=row["place"],
                image=arriving.images[row["image"]],
            )
            for row in rows
        ),
    )


def _set_rows(leaving: Leaving) -> Iterable[Row]:
    for shown in leaving.sets:
        run, prompt = leaving.image_sets[shown.image_set] if shown.image_set else (None, None)
        yield {
            "case": shown.case.position,
            "arm": shown.arm.position,
            "run": run,
            "prompt": prompt,
        }


def _restore_sets(arriving: Arriving, rows: list[Row]) -> None:
    arriving.sets = arriving.keyed(
        CaseSet,
        [(row["case"], row["arm"]) for row in rows],
        [
            CaseSet(
                case=arriving.cases[row["case"]],
                arm=arriving.arms[row["arm"]],
                image_set=arriving.image_sets[row["run"], row["prompt"]] if row["run"] else None,
            )
            for row in rows
        ],
    )


def _set_image_rows(leaving: Leaving) -> Iterable[Row]:
    found = CaseImage.objects.filter(case_set__case__study=leaving.study)
    order = ("case_set__case__position", "case_set__arm__position", "position")
    for case, arm, place, image in found.order_by(*order).values_list(*order, "image_id"):
        yield {"case": case, "arm": arm, "place": place, "image": leaving.image_numbers[image]}


def _restore_set_images(arriving: Arriving, rows: list[Row]) -> None:
    arriving.create(
        CaseImage,
        (
            CaseImage(
                case_set=arriving.sets[row["case"], row["arm"]],
                position=row["place"],
                image=arriving.images[row["image"]],
            )
            for row in rows
        ),
    )


TABLES = [
    Table(
        "study",
        "The study: one row.",
        [
            text("title", "Its title."),
            text("slug", "Its short name."),
            text("state", "closed, unblinded, or running where it was unblinded before its end."),
            whole("seed", "Image seeds came from it."),
            text("secret", "Plans and tokens came from it; it tells nothing that is not here."),
            yes_no("simulated", "Read by simulated readers, not by people."),
            text("manifest_digest", "SHA-256 of what was sealed (sealed.json), as canonical JSON."),
            text("record_digest", "Digest of the last row of table events."),
            time("created_at", "When it was made."),
            time("sealed_at", "When nothing that readers see could change any more."),
            time("opened_at", "When readers could begin."),
            time("closed_at", "When no answers were taken any more."),
            time("unblinded_at", "When somebody unblinded it by an act of their own."),
        ],
        _study_rows,
        _restore_study,
    ),
    Table(
        "arms",
        "What is compared: a generator, or real images hidden among theirs.",
        [
            ARM,
            text("name", "What it is called in results."),
            text("generator", "Short name of the generator; empty for real images."),
            whole("run", "Number of the run that made its images."),
        ],
        _arm_rows,
        _restore_arms,
    ),
    Table(
        "cases",
        "A prompt that was judged.",
        [
            CASE,
            whole("prompt", "Number of the prompt."),
            yes_no("practice", "Came first and counts for nothing."),
            whole("pair", "A prompt and its rephrasing have the same; none for practice."),
            text("wording", "original or rephrasing."),
            text("text", "The prompt's text."),
        ],
        _case_rows,
        _restore_cases,
    ),
    Table(
        "references",
        "A real image that was shown openly before the sets of a case.",
        [CASE, whole("place", "Its place, from 1."), IMAGE],
        _reference_rows,
        _restore_references,
    ),
    Table(
        "sets",
        "What an arm shows in a case.",
        [
            CASE,
            ARM,
            whole("run", "Number of the run that made it; none for real images."),
            whole("prompt", "Number of the prompt it was made from."),
        ],
        _set_rows,
        _restore_sets,
    ),
    Table(
        "set_images",
        "An image of a set.",
        [CASE, ARM, whole("place", "Its place in the sealed set, from 1."), IMAGE],
        _set_image_rows,
        _restore_set_images,
    ),
]
