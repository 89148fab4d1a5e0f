"""The last question: what a reader thinks stood behind the letters. Asked once, after all cases.

Which sets are asked about follows from the study's secret and the reader, so that it is the same
whenever the page is opened, and says nothing.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from django.db import transaction
from django.utils.translation import gettext as _

from annotation import design
from annotation.errors import AnswerError
from annotation.models import Guess, Reader, Reading, ReadingSet, Study
from annotation.readings import held_reader

YES_NO = ("yes", "no")
MOST_REAL = 4  # sets of real images that are asked about, and as many of made ones
MOST_SAME = 4  # sets whose like is looked for in another case


@dataclass(frozen=True)
class Question:
    """Whether a set is real; or, with `other`, which of that reading's sets has the same source.

    Attributes:
        choices: the answers that may be right: yes and no, or letters.
    """

    number: int
    shown: ReadingSet
    other: Reading | None
    choices: tuple[str, ...]

    @property
    def kind(self) -> Guess.Question:
        return Guess.Question.SAME if self.other else Guess.Question.REAL


def guesses_are_due(reader: Reader) -> bool:
    """Whether the last question can be asked now: all cases are in, and it was not answered yet."""
    return (
        reader.study.protocol.guess
        and reader.study.state == Study.State.RUNNING
        and reader.state != Reader.State.REVOKED
        and reader.readings.exists()
        and not reader.readings.filter(submitted_at=None).exists()
        and not reader.guesses.exists()
        and bool(questions_for(reader))
    )


def questions_for(reader: Reader) -> list[Question]:
    """At most twelve; none where the study has neither hidden real images nor sets side by side."""
    protocol = reader.study.protocol
    sets = list(
        ReadingSet.objects.filter(reading__reader=reader, reading__kind=Reading.Kind.CASE)
        .select_related("reading__case__prompt", "case_set__arm")
        .order_by("reading__position", "letter")
    )
    random = design.rng(reader.study.secret, "guess", reader.pk)
    mixed = [sets[i] for i in random.permutation(len(sets))]
    asked: list[tuple[ReadingSet, Reading | None, tuple[str, ...]]] = []
    if protocol.hidden_real:
        asked += [(shown, None, YES_NO) for shown in _real_and_made(mixed)]
    if protocol.together:
        letters: dict[Reading, tuple[str, ...]] = defaultdict(tuple)
        for shown in sets:
            letters[shown.reading] += (shown.letter,)
        asked += [(shown, other, letters[other]) for shown, other in _pairs(mixed)]
    return [Question(number, *parts) for number, parts in enumerate(asked, 1)]


def _real_and_made(mixed: list[ReadingSet]) -> list[ReadingSet]:
    """As many real sets as made ones where there are, each of another reading, in mixed order."""
    taken: dict[bool, list[ReadingSet]] = {True: [], False: []}
    readings: set[int] = set()
    for shown in mixed:
        of_kind = taken[shown.case_set.arm.generator_id is None]
        if shown.reading_id not in readings and len(of_kind) < MOST_REAL:
            of_kind.append(shown)
            readings.add(shown.reading_id)
    return [shown for shown in mixed if shown in taken[True] or shown in taken[False]]


def _pairs(mixed: list[ReadingSet]) -> list[tuple[ReadingSet, Reading]]:
    """Sets, each with the reading to find its like in: no reading twice, and never two of the same
    prompt or its rephrasing."""
    free = list(dict.fromkeys(shown.reading for shown in mixed))
    pairs: list[tuple[ReadingSet, Reading]] = []
    for shown in mixed:
        others = [reading for reading in free if _origin(reading) != _origin(shown.reading)]
        if len(pairs) < MOST_SAME and shown.reading in free and others:
            pairs.append((shown, others[0]))
            free = [reading for reading in free if reading not in (shown.reading, others[0])]
    return pairs


def _origin(reading: Reading) -> int:
    prompt = reading.case.prompt
    return prompt.rephrasing_of_id or prompt.pk


def save_guesses(*, reader: Reader, answers: Mapping[int, str]) -> list[int]:
    """Store the answers by number of their question, all at once, and return those missing; nothing
    is stored as long as one is missing. ``unsure`` is an answer.

    Raises:
        AnswerError: the question is not asked (any more), or an answer is none of its choices.
    """
    with transaction.atomic():
        reader = held_reader(reader.pk)
        if not guesses_are_due(reader):
            raise AnswerError(_("The last question is asked once, after all cases."))
        asked = questions_for(reader)
        missing = [question.number for question in asked if not answers.get(question.number)]
        for question in asked:
            answer = answers.get(question.number, "")
            if answer and answer not in (*question.choices, Guess.UNSURE):
                raise AnswerError(_("“{answer}” can't be chosen here.").format(answer=answer))
        if not missing:
            Guess.objects.bulk_create(
                Guess(
                    reader=reader,
                    reading_set=question.shown,
                    question=question.kind,
                    other=question.other,
                    answer=answers[question.number],
                )
                for question in asked
            )
    return missing
