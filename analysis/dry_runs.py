"""Dry runs: simulated readers fill a copy of a study, and its report is computed.

Everything goes the way that people's answers go; only opening leaves the audit out, since nobody
can sign in as a simulated reader.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from analysis.models import DryRun
from analysis.reports import create_report
from annotation.consent import give_consent
from annotation.copies import WITH_IMAGES, copy_for_simulation
from annotation.errors import StudyError
from annotation.models import CaseSet, Reader, Reading, Study
from annotation.protocols import Criterion
from annotation.readers import add_reader
from annotation.readings import (
    finish_reading,
    record_activity,
    save_ranking,
    save_score,
    see_references,
    submit_reading,
)
from annotation.steps import record, step
from annotation.studies import close_study, mark_checked, seal_study
from generation.jobs import enqueue
from generation.runs import MAX_SEED

if TYPE_CHECKING:
    from analysis.simulated_readers import Profile, Simulation

MOST_READERS = 30
VISITS = Reading.Kind.values  # of a case, told apart by their kind
State = Study.State
Keys = Mapping[tuple[int, int], float]


class DryRunError(Exception):
    """The dry run can't be made; the message says why and what to do."""


@transaction.atomic
def create_dry_run(
    *, study: Study, by: User, readers: Mapping[str, int], effects: Mapping[int, float], seed: int
) -> DryRun:
    """A queued dry run; the same that is under way is returned.

    Args:
        readers: How many of each profile.
        effects: By position of the arm, how many points it is better.

    Raises:
        DryRunError: a profile, a number or an arm doesn't exist.
        StudyError: the study has no complete images yet, or is open.
    """
    from analysis.simulated_readers import MOST_EFFECT, PROFILES

    there = {name: number for name, number in readers.items() if number}
    if unknown := set(there) - set(PROFILES):
        raise DryRunError(f"No profile {', '.join(unknown)}; there are: {', '.join(PROFILES)}.")
    if not 1 <= sum(there.values()) <= MOST_READERS or min(there.values()) < 0:
        raise DryRunError(f"A dry run has 1 to {MOST_READERS} readers.")
    if unknown_arms := set(effects) - set(study.arms.values_list("position", flat=True)):
        raise DryRunError(f"The study has no arm {sorted(unknown_arms)[0]}.")
    if any(abs(effect) > MOST_EFFECT for effect in effects.values()):
        raise DryRunError(f"An arm differs by {MOST_EFFECT:g} points at most.")
    if not 0 <= seed < MAX_SEED:
        raise DryRunError("The seed must be a whole number from 0 to 2**63 − 1.")
    study = Study.objects.select_for_update().get(pk=study.pk)  # a double click waits here
    options = {
        "readers": there,
        "effects": {str(arm): effect for arm, effect in sorted(effects.items())},
        "seed": seed,
    }
    underway = DryRun.objects.unfinished().filter(study=study, **options).first()
    if underway:
        return underway
    if study.state not in WITH_IMAGES or study.simulated:
        raise StudyError(
            "A dry run needs a study whose images are there and which is not open yet; "
            f"“{study}” is {State(study.state).label.lower()}."
        )
    dry_run = DryRun.objects.create(study=study, created_by=by, **options)
    record(study, "dry run", by, number=dry_run.pk, readers=there)
    enqueue(dry_run)
    return dry_run


def perform_dry_run(dry_run: DryRun) -> None:
    """Copy the study, answer as its simulated readers, close the copy, and ask for its report.

    A reading is answered whole or not at all, so that an interrupted dry run goes on where it was.

    Raises:
        StudyError: the study's images are not complete, or have changed.
        Job.Cancelled, Job.Lost: see `Job.beat`.
    """
    from analysis.simulated_readers import PROFILES

    by = dry_run.created_by or dry_run.study.owner
    dry_run.beat(message="Copying the study")
    copy = dry_run.copy or _opened(dry_run, by)
    readings = Reading.objects.filter(reader__study=copy)
    DryRun.objects.filter(pk=dry_run.pk).update(total=readings.count())
    dry_run.beat(done=readings.exclude(submitted_at=None).count(), message="Looking at images")
    simulation = _simulation(dry_run, copy)
    profiles = [PROFILES[name] for name in PROFILES for _ in range(dry_run.readers.get(name, 0))]
    for reader, profile in zip(copy.readers.order_by("number"), profiles, strict=True):
        if reader.state == Reader.State.FINISHED:
            continue
        _consent(reader)
        for reading in reader.readings.filter(submitted_at=None).select_related("case"):
            _answer(reading, simulation, profile)
            dry_run.beat(done=dry_run.done + 1, message="Answering")
        finish_reading(reader)
    if copy.state == State.RUNNING:
        close_study(study=copy, by=by)
    create_report(study=copy, by=by)


def delete_dry_run(*, dry_run: DryRun, by: User) -> None:
    """Remove it with its copy, the answers and the report; that there was one stays on record.

    Raises:
        DryRunError: it is under way.
    """
    if dry_run.unfinished:
        raise DryRunError("The dry run is under way: cancel it first.")
    with transaction.atomic():
        record(dry_run.study, "delete dry run", by, number=dry_run.pk)
        copy = dry_run.copy
        dry_run.delete()
        if copy:
            copy.delete()


@transaction.atomic
def _opened(dry_run: DryRun, by: User) -> Study:
    """The copy, running, with its readers."""
    copy = copy_for_simulation(study=dry_run.study, by=by)
    mark_checked(study=copy, by=by)
    seal_study(study=copy, by=by)
    for number in range(1, sum(dry_run.readers.values()) + 1):
        add_reader(study=copy, user=_account(number), by=by)
    step(copy, act="open", by=by, when=[State.SEALED], to=State.RUNNING, opened_at=timezone.now())
    if not dry_run.held().update(copy=copy):
        raise DryRun.Lost
    dry_run.copy = copy
    return copy


def _account(number: int) -> User:
    """Of a simulated reader; all dry runs share them, and nobody can sign in as one."""
    name = f"simulated-reader-{number}"
    user, _ = User.objects.get_or_create(username=name, defaults={"first_name": "Simulated"})
    if user.password and user.has_usable_password():
        raise StudyError(f"The account {name} is somebody's: rename it first.")
    if not user.password:
        user.set_unusable_password()
        user.save(update_fields=["password"])
    return user


def _consent(reader: Reader) -> None:
    protocol = reader.study.protocol
    if protocol.consent and reader.consented_at is None:
        give_consent(reader=reader, version=protocol.consent_version, language=protocol.language)


def _simulation(dry_run: DryRun, copy: Study) -> Simulation:
    from analysis.simulated_readers import Simulation

    return Simulation(
        seed=dry_run.seed,
        criteria=[criterion.key for criterion in copy.protocol.rated],
        effects={int(arm): float(effect) for arm, effect in dry_run.effects.items()},
        colour=_colour(copy) if dry_run.readers.get("biased") else {},
    )


def _colour(study: Study) -> Keys:
    """By the positions of case and arm, how colourful the set is, in standard deviations."""
    import numpy as np

    from analysis.embedding import embed_images
    from analysis.metrics.quality import QUALITY, Looked

    sets = CaseSet.objects.filter(case__study=study).select_related("case", "arm")
    shown = {
        (one.case.position, one.arm.position): one.images()
        for one in sets.prefetch_related("links")
    }
    vectors = embed_images([i for images in shown.values() for i in images], embedder=QUALITY)
    found = {}
    for key, images in shown.items():
        looked = [Looked.of((i.width, i.height), vectors[i.sha256]) for i in images]
        found[key] = float(np.mean([np.hypot(one.red_green, one.yellow_blue) for one in looked]))
    values = np.array(list(found.values()))
    spread = float(values.std()) or 1.0
    return {key: (value - float(values.mean())) / spread for key, value in found.items()}


@transaction.atomic
def _answer(reading: Reading, simulation: Simulation, profile: Profile) -> None:
    """Everything that a case asks for, handed in."""
    study = reading.reader.study
    letters = dict(reading.sets.values_list("letter", "case_set__arm__position"))
    whose = {"reader": reading.reader.number, "case": reading.case.position}
    answer = simulation.answer(
        profile, arms=list(letters.values()), visit=VISITS.index(reading.kind), **whose
    )
    checked = reading.kind == Reading.Kind.CHECK and simulation.attends(profile, **whose)
    sequence = 1  # nobody else answers
    see_references(reading)
    for letter, arm in sorted(letters.items()):
        for criterion in study.protocol.rated:
            value = _value(criterion, answer.scores[arm][criterion.key])
            if checked:
                value = criterion.minimum if letter == "A" else criterion.maximum
            sequence += 1
            save_score(
                reading=reading,
                letter=letter,
                criterion=criterion.key,
                value=value,
                sequence=sequence,
            )
    if study.protocol.ranking:
        by_arm = {arm: letter for letter, arm in letters.items()}
        ranked: Sequence[str] = [by_arm[arm] for arm in answer.order]
        first = ["R"] if study.protocol.rank_references else []
        tiers = [[letter] for letter in [*first, *ranked]]
        save_ranking(reading=reading, tiers=tiers, sequence=sequence)
    seconds = round(answer.seconds, 1)
    record_activity(reading=reading, act="active", detail={"seconds": seconds}, sequence=sequence)
    submit_reading(reading)


def _value(criterion: Criterion, score: float) -> int:
    from analysis.simulated_readers import on_scale

    return on_scale(score, low=criterion.minimum, high=criterion.maximum)
