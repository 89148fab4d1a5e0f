"""A study in which everything happened that a study can hold."""

from django.core.management import call_command
from django.db import connection

from analysis.models import ReportPdf
from annotation.guesses import questions_for, save_guesses
from annotation.models import CaseSet, Reader, Study
from annotation.protocols import Criterion
from annotation.readers import revoke_reader
from annotation.readings import (
    finish_reading,
    record_activity,
    save_comment,
    save_flag,
    save_ranking,
    save_score,
)
from annotation.studies import close_study, unblind_study
from generation.models import Run
from tests import builders
from tests.analysis.builders import a_report, know_features

FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "'quoted", "''", "＝1", "plain", 'a,"b"\nc']
READERS = ("bob", "carol", "dave")


REMARK = Criterion(key="remark", name="Remark", description="In words.", kind="text")


def a_rich_study(*, reports=1, closed=True, **protocol) -> Study:
    """Three readers, one of them revoked, real images hidden, practice, repeats, every kind of
    answer in several revisions; a set that was sampled again; closed, unblinded, with reports."""
    for username in READERS:
        builders.a_user(username, email=f"{username}@example.org", last_name=f"{username}son")
    study = builders.a_study(
        readers=READERS,
        pairs=3,
        arms=2,
        protocol=builders.a_protocol(
            **{
                "hidden_real": True,
                "practice": 1,
                "repeats": 0.25,
                "guess": True,
                "ties_allowed": True,
                **protocol,
            }
        ),
    )
    for number, reader in enumerate(study.readers.all()):
        answer_all(reader, number)
    revoke_reader(
        study=study,
        reader=study.readers.get(user__username="dave"),
        by=study.owner,
        reason="Bob knows the models.",
    )
    again = CaseSet.objects.filter(case__study=study, image_set__isnull=False).last().image_set
    again.run = Run.objects.create(generator=again.run.generator, images_per_set=2, status="done")
    again.save()
    if closed:
        close_study(study=study, by=study.owner)
    unblind_study(study=study, by=study.owner, reason="=All readings are in.")
    if reports:
        know_features(study)
    for seed in range(reports):
        report = a_report(study, seed=seed)
        ReportPdf.objects.create(report=report, content=b"kept here, never taken along")
    study.refresh_from_db()
    return study


def answer_all(reader: Reader, number: int) -> None:
    for reading in reader.readings.all():
        builders.rate(reading)
        shown = reading.sets.first()
        key = reading.reader.study.protocol.rated[0].key
        save_score(reading=reading, letter=shown.letter, criterion=key, value=7, sequence=2000)
        letters = [s.letter for s in reading.sets.all()]
        if reading.reader.study.protocol.ranking:
            tiers = [tier for tier in (letters[:2], letters[2:]) if tier]
            save_ranking(reading=reading, tiers=tiers, sequence=2000)
        text = FORMULAS[(reading.position + number) % len(FORMULAS)]
        if REMARK in reading.reader.study.protocol.criteria:
            for sequence, said in ((1000, text), (2000, "")):
                save_score(
                    reading=reading, letter=shown.letter, criterion=REMARK.key, value=None,
                    text=said, sequence=sequence,
                )  # fmt: skip
        save_comment(reading=reading, letter=shown.letter, text=f"{text}", sequence=1000)
        save_comment(reading=reading, letter=shown.letter, text=f"{text} Bob said", sequence=2000)
        token = reading.shown_images.first().token
        save_flag(reading=reading, token=token, reason="artefact", sequence=1000)
        save_flag(reading=reading, token=token, reason="withdrawn", sequence=2000)
        record_activity(reading=reading, act="active", detail={"seconds": 2.5}, sequence=1000)
    if reader.study.protocol.guess:
        assert not save_guesses(
            reader=reader, answers={q.number: q.choices[0] for q in questions_for(reader)}
        )
    if number == 0:
        finish_reading(reader)


def a_fresh_database() -> None:
    connection.check_constraints()  # PostgreSQL empties no table whose rows it has still to check
    call_command("flush", interactive=False, inhibit_post_migrate=True, verbosity=0)
