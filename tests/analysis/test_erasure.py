"""Erasing who a reader is reaches reports as they were made, and archives."""

import json
from datetime import UTC, datetime

import pytest
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import transaction

from analysis.erasure import MASKED, masked_results
from analysis.export import files_of
from analysis.models import Export, ReportPdf
from analysis.remarks import comment_frame
from analysis.takeout.jobs import create_export
from annotation.cases import exclude_case
from annotation.erasure import erase_reader
from annotation.models import Study
from annotation.names import Names, people_of
from annotation.readings import save_comment
from annotation.studies import seal_study, unblind_study
from generation.jobs import perform
from generation.storage import FolderStorage
from tests import builders
from tests.analysis.builders import a_report, know_features

REASON = "Bob says that it is blurry."


@pytest.fixture
def study(db):
    """A case was left out because of what bob said, and carol wrote of him; unblinded."""
    study = builders.a_study(state="checked", pairs=3, arms=2)
    exclude_case(study=study, case=study.cases.last(), by=study.owner, reason=REASON)
    seal_study(study=study, by=study.owner)
    study.state = "running"
    study.save()
    save_comment(
        reading=builders.a_reading(study, "carol"), letter="A", text="As bob said", sequence=1
    )
    for username in ("bob", "carol"):
        builders.rate(builders.a_reading(study, username))
    unblind_study(study=study, by=study.owner, reason="To see it.")
    know_features(study)
    return study


def test_a_report_names_nobody(study):
    report = a_report(study)
    told = [words for what, words in report.results["design"] if what.startswith("Left out")]
    assert len(told) == 2
    assert all(words.endswith(": [name] says that it is blurry.") for words in told)
    assert list(comment_frame(study)["text"]) == ["As [name] said"]


def test_reports_from_before_names_were_masked_are_masked_and_say_so(study):
    report = a_report(study)
    before = json.loads(json.dumps(report.results))
    for line in report.results["design"]:
        line[1] = line[1].replace("[name]", "Bob")
    report.save()
    ReportPdf.objects.create(report=report, content=b"of before")
    old = masked_results(report.results, Names(["bob"]))
    done = erase_reader(study=study, reader=study.readers.get(number=1), by=study.owner)
    assert sum(f"report {report.pk}, Left out before sealing" in p.where for p in done.masked) == 2
    report.refresh_from_db()
    assert report.results == {**before, "design": [*before["design"], list(MASKED)]} == old
    assert not ReportPdf.objects.filter(content=b"of before").exists()
    files = {name: content.lower() for name, content in files_of(report).items()}
    texts = {name for name in files if not name.endswith((".png", ".pdf"))}
    assert len(texts) > 5
    assert [name for name in texts if b"bob" in files[name]] == []
    erase_reader(study=study, reader=study.readers.get(number=2), by=study.owner)
    report.refresh_from_db()
    assert report.results == old  # nothing more to mask: the same bytes


def test_a_month_is_nobody(study):
    bob = study.readers.get(number=1)
    User.objects.filter(pk=bob.user_id).update(first_name="May", last_name="Fern")
    Study.objects.filter(pk=study.pk).update(sealed_at=datetime(2026, 5, 3, tzinfo=UTC))
    study.refresh_from_db()
    report = a_report(study)
    before = dict(report.results)
    assert ["Sealed", "3 May 2026, before the first reader"] in before["design"]
    assert masked_results(before, people_of(study)) == before
    erase_reader(study=study, reader=bob, by=study.owner)
    report.refresh_from_db()
    assert report.results == before


@pytest.mark.django_db(transaction=True)
def test_archives_from_before_are_deleted():
    study = builders.a_study()
    name = default_storage.save("exports/a.zip", ContentFile(b"x"))
    export = Export.objects.create(study=study, status="done", file=name)
    with transaction.atomic():
        erase_reader(study=study, reader=study.readers.get(number=1), by=study.owner)
        transaction.set_rollback(True)
    assert default_storage.exists(name)
    erase_reader(study=study, reader=study.readers.get(number=1), by=study.owner)
    assert not default_storage.exists(name)
    export.refresh_from_db()
    assert not Export.objects.there().exists()


def test_archives_that_are_being_made_are_not_kept(study):
    waiting = Export.objects.create(study=study)
    running = Export.objects.create(study=study, status="running", holder="w", images=False)
    stored = Export.objects.create(study=study, status="running", file="exports/a.zip")
    erase_reader(study=study, reader=study.readers.get(number=1), by=study.owner)
    waiting.refresh_from_db()
    assert waiting.status == "cancelled"
    with pytest.raises(Export.Cancelled):
        running.beat()
    stored.refresh_from_db()
    assert stored.file == ""


class ErasesMeanwhile(FolderStorage):
    """While an archive is written to it, a reader is erased."""

    def save(self, name, *args, **kwargs):
        stored = super().save(name, *args, **kwargs)
        if name.startswith("exports/"):
            study = Study.objects.get()
            erase_reader(study=study, reader=study.readers.get(number=1), by=study.owner)
        return stored


def test_an_archive_that_was_just_written_is_not_kept(study, settings):
    settings.STORAGES = {
        **settings.STORAGES,
        "default": {"BACKEND": "tests.analysis.test_erasure.ErasesMeanwhile"},
    }
    export = create_export(study=study, by=study.owner)
    assert perform(Export, export.pk)
    export.refresh_from_db()
    assert (export.status, export.file.name) == ("cancelled", "")
    assert default_storage.listdir("exports") == ([], [])
