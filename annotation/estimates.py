"""What a study would take, and what it could find, before it is made."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import F

from annotation import design
from annotation.errors import StudyError
from annotation.pace import in_words, seconds_of
from annotation.power import smallest_difference
from annotation.protocols import Kind, Protocol
from generation.models import Generator, Job, Prompt

RUNS = 5  # of a generator, the last ones, whose pace counts


@dataclass(frozen=True)
class Estimate:
    """
    Attributes:
        pages: that a reader goes through: each shows a case, or one set of it.
        cases: those of the study itself.
        again: pages that show something a second time, as repeats or attention checks.
        images: to generate.
        ready: images that were imported.
        seconds: to generate the images, one generator after the other; those of `untimed` left out.
        untimed: generators of which no earlier run tells the pace.
        difference: of two arms' mean scores that the study can find, as a share of the scale.
        scale: lowest and highest score, where all criteria that are scored have the same.
    """

    arms: int
    pairs: int
    readers: int
    pages: int
    cases: int
    practice: int
    again: int
    reading_seconds: int
    images: int
    ready: int
    seconds: float
    untimed: list[Generator]
    difference: float | None
    scale: tuple[int, int] | None

    @property
    def a_reader(self) -> str:
        return in_words(max(1, round(self.reading_seconds / 60)))

    @property
    def all_readers(self) -> str:
        return in_words(max(1, round(self.readers * self.reading_seconds / 60)))

    @property
    def points(self) -> float | None:
        """The difference on the criteria's own scale."""
        if self.difference is None or self.scale is None:
            return None
        low, high = self.scale
        return self.difference * (high - low)


def estimate_study(
    *,
    protocol: Protocol,
    prompts: Sequence[Prompt],
    practice: Sequence[Prompt],
    generators: Sequence[Generator],
    readers: int,
) -> Estimate:
    """What the study of these would take.

    Raises:
        StudyError: no plan can be made of them.
    """
    arms = len(generators) + protocol.hidden_real
    refs = [design.CaseRef(prompt.pk, prompt.original.pk) for prompt in prompts]
    try:
        plan = design.plan_reader(
            secret="",  # which case comes where is of no matter here
            slot=1,
            cases=refs,
            arms=range(1, arms + 1),
            repeats=protocol.repeats,
            practice=[design.CaseRef(prompt.pk, prompt.pk) for prompt in practice],
            checks=protocol.checks,
            together=protocol.together,
        )
    except design.DesignError as error:
        raise StudyError(str(error)) from error
    kinds = Counter(planned.kind for planned in plan)
    share = (len(prompts) + len(practice)) * protocol.images_per_set
    sampled = [generator for generator in generators if generator.can_sample]
    paces = {generator: _seconds_an_image(generator) for generator in sampled}
    pairs = len({ref.pair for ref in refs})
    scales = {(c.minimum, c.maximum) for c in protocol.criteria if c.kind == Kind.SCORE}
    return Estimate(
        arms=arms,
        pairs=pairs,
        readers=readers,
        pages=len(plan),
        cases=len(prompts),
        practice=kinds["practice"],
        again=kinds["repeat"] + kinds["check"],
        reading_seconds=len(plan) * seconds_of(protocol, arms=arms),
        images=share * len(sampled),
        ready=share * (len(generators) - len(sampled)),
        seconds=sum(share * pace for pace in paces.values() if pace),
        untimed=[generator for generator, pace in paces.items() if not pace],
        difference=smallest_difference(pairs=pairs, readers=readers, arms=arms),
        scale=scales.pop() if len(scales) == 1 else None,
    )


def _seconds_an_image(generator: Generator) -> float | None:
    """Of the generator's last runs, whoever asked for them; None where there are none."""
    done = generator.runs.filter(status=Job.Status.DONE, finished_at__gt=F("started_at"))
    runs = done.order_by("-finished_at").annotate(time=F("finished_at") - F("started_at"))[:RUNS]
    images = sum(run.done for run in runs)
    return sum(run.time.total_seconds() for run in runs) / images if images else None
