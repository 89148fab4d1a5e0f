"""What an archive holds, explains and keeps to itself."""

import csv
import hashlib
import io
import json
import re
import zipfile
from pathlib import Path

import pandas as pd
import pypdfium2
import pytest
from django.apps import apps
from django.db import transaction

from analysis.takeout.leaving import placeless
from analysis.takeout.tables import TABLES
from analysis.takeout.writing import write_study
from annotation.erasure import erase_reader
from generation.models import Generator, Image
from tests.analysis.takeout.a_study import FORMULAS, READERS, a_rich_study

pytestmark = pytest.mark.django_db

# Fields of each model that travel; and those that stay, as they mean nothing elsewhere, name
# somebody, or follow from others. A new field must be put into one of the two.
JOB = "id message error cancel_requested attempts done_before holder heartbeat_at not_before"
TRAVELS = {
    "Dataset": ("name slug source licence phantom", "id created_at created_by"),
    "Generator": (
        "name slug family checkpoint revision digest licence settings card trained_on "
        "trained_split", "id created_at"),
    "Prompt": ("dataset text reference_caption rephrasing_of", "id"),
    "Run": (
        "generator images_per_set seed status done total priority queued_at started_at "
        "finished_at", "id message error cancel_requested created_by"),
    "ImageSet": ("run prompt completed_at", "id chunk"),
    "Image": (
        "kind file sha256 width height created_at dataset name split image_set index seed "
        "provenance prompts", "id"),
    "Study": (
        "title slug state protocol_data seed secret simulated manifest manifest_digest "
        "record_digest created_at sealed_at opened_at closed_at unblinded_at",
        "id owner form_key imported_at"),
    "Arm": ("study position generator run", "id"),
    "Case": ("study position prompt practice references", "id left_out_of"),
    "CaseReference": ("case image position", "id"),
    "CaseSet": ("case arm image_set", "id"),
    "CaseImage": ("case_set image position", "id"),
    "Reader": (
        "study number slot state invited_at consented_at consent_version briefed_at finished_at "
        "paused_at reminded_at erased_at", "id user"),
    "Reading": ("reader case position kind started_at references_seen_at submitted_at", "id"),
    "ReadingSet": ("reading letter case_set", "id"),
    "ShownImage": ("reading reading_set image position token", "id"),
    "Score": ("reading_set criterion value text sequence created_at", "id"),
    "Ranking": ("reading tiers sequence created_at", "id"),
    "Comment": ("reading_set text sequence created_at", "id"),
    "Flag": ("shown_image reason sequence created_at", "id"),
    "Guess": ("reader reading_set question other answer created_at", "id"),
    "Activity": ("reading act detail sequence created_at", "id"),
    "AuditEvent": (
        "study number actor_role act detail personal commitments at previous digest", "id actor"),
    "Report": (
        "study embedder resamples seed results status done total queued_at started_at "
        "finished_at", f"{JOB} own created_by"),
    "MetricValue": ("report metric arm case value n", "id"),
    "Figure": ("report name svg", "id"),
}  # fmt: skip
STAY = {
    # Accounts and access
    "AccessToken", "Invitation", "Member", "Preference", "ResearcherInvitation", "SavedProtocol",
    # How work was done, and what helps to do it
    "BlindingAudit", "Chunk", "Embedding", "Export", "Restore", "Training", "TunedGenerator",
    "Upload",
    # What is made anew from what travels
    "ReportPdf",
    # What came before sealing, or is of no study
    "DryRun", "ImageFlag", "Inspection", "Neighbour", "OwnRatings", "Proposal", "RankSweep",
    "Rephrasing",
}  # fmt: skip


def models():
    for app in ("generation", "annotation", "analysis"):
        yield from apps.get_app_config(app).get_models()


def test_it_is_said_of_every_field_whether_it_travels():
    assert {model.__name__ for model in models()} == {*TRAVELS, *STAY}
    for model in models():
        if model.__name__ in TRAVELS:
            fields = {field.name for field in model._meta.get_fields() if field.concrete}
            travel, stay = TRAVELS[model.__name__]
            assert fields == {*travel.split(), *stay.split()}, model.__name__


@pytest.fixture(scope="module")
def archive(tmp_path_factory, django_db_setup, django_db_blocker):
    """A rich study, whose reader carol was erased, taken home; names and paths stand in all places
    that could hold some."""
    path = tmp_path_factory.mktemp("archive") / "polyps.zip"
    with django_db_blocker.unblock(), transaction.atomic():
        study = a_rich_study()
        carol = study.readers.get(user__username="carol")
        report = study.reports.get()
        report.results["design"].append(["Left out before sealing", "case 9: Bob said so"])
        report.save()
        erase_reader(study=study, reader=carol, by=study.owner)
        Generator.objects.update(
            checkpoint="/home/alice/models/fern", card={"base": "/home/alice/base"}
        )
        for image in Image.objects.generated():
            image.provenance = {"importer": "alice", "lora": r"C:\Users\alice\lora"}
            image.save()
        write_study(study, path)
        transaction.set_rollback(True)
    with zipfile.ZipFile(path) as packed:
        return {name: packed.read(name) for name in packed.namelist()}


def rows(archive, name):
    return list(csv.DictReader(io.StringIO(archive[name].decode(), newline="")))


def test_every_column_of_every_table_has_its_line_in_the_codebook(archive):
    lines = {
        (row["table"], row["column"]): row["says"] for row in rows(archive, "data/codebook.csv")
    }
    for name in archive:
        if name.endswith(".csv") and not name.startswith("reports/"):
            table = Path(name).stem if name.startswith("data/") else "imrmc/*"
            head = archive[name].decode().partition("\r\n")[0].split(",")
            for column in head:
                assert len(lines[table, column]) > 3, (table, column)
    assert all(len(table.says) > 10 for table in TABLES)


def test_every_table_is_there_as_parquet_too(archive):
    for table in TABLES:
        frame = pd.read_parquet(io.BytesIO(archive[f"data/{table.name}.parquet"]))
        assert list(frame) == [column.name for column in table.columns]
        assert len(frame) == len(rows(archive, f"data/{table.name}.csv")) > 0, table.name
    scores = pd.read_parquet(io.BytesIO(archive["data/scores.parquet"]))
    assert str(scores["saved_at"].dtype).startswith("datetime64")
    assert scores["counted"].dtype == bool


def test_the_checksums_are_those_of_all_files(archive):
    sums = dict(reversed(line.split("  ")) for line in archive["SHA256SUMS"].decode().splitlines())
    assert set(sums) == set(archive) - {"SHA256SUMS"}
    for name, digest in sums.items():
        assert hashlib.sha256(archive[name]).hexdigest() == digest, name


def test_nobodys_name_or_address_is_in_any_file(archive):
    people = "|".join(("alice", *READERS, *(f"{name}son" for name in READERS)))
    for name, content in archive.items():
        match Path(name).suffix:
            case ".png":
                continue
            case ".parquet":
                said = pd.read_parquet(io.BytesIO(content)).to_csv()
            case ".pdf":
                pages = pypdfium2.PdfDocument(content)
                said = "".join(page.get_textpage().get_text_range() for page in pages)
            case _:
                said = content.decode()
        found = re.search(rf"\b({people})\b|example\.org|/home/", said, re.I)
        assert not found, (name, found)


def test_no_cell_is_run_by_a_spreadsheet_and_what_was_written_comes_back(archive):
    written = [row["text"] for row in rows(archive, "data/comments.csv")]
    assert not any(text.startswith(("=", "+", "-", "@", "\t", "＝")) for text in written)
    texts = set(pd.read_parquet(io.BytesIO(archive["data/comments.parquet"]))["text"])
    assert {text.strip() for text in FORMULAS} <= texts
    assert "plain [name] said" in texts
    assert set(written) == {f"'{t}" if t[0] in "=+-@＝'" else t for t in texts}


def test_what_is_counted_is_what_the_report_counts(archive):
    scores = rows(archive, "data/scores.csv")
    counted = [row for row in scores if row["counted"] == "true"]
    assert {row["reading"] for row in counted} == {"case"}
    assert "R3" in {row["reader"] for row in scores} - {row["reader"] for row in counted}
    keys = {(r["reader"], r["case"], r["letter"], r["criterion"]) for r in counted}
    assert len(keys) == len(counted)
    results = json.loads(archive["reports/1/results.json"])
    mean = next(row for row in results["means"] if row["arm"] == "Real images")
    arm = next(r["arm"] for r in rows(archive, "data/arms.csv") if r["name"] == "Real images")
    own = [
        int(r["score"]) for r in counted
        if r["criterion"] == mean["criterion"] and r["arm"] == arm
    ]  # fmt: skip
    assert sum(own) / len(own) == pytest.approx(mean["value"])


def test_imrmc_reads_the_scores(archive):
    """As in the example of its R package: four columns, whole case numbers, truth as 0 and 1."""
    protocol = json.loads(archive["protocol.json"])
    for criterion in protocol["criteria"]:
        frame = pd.read_csv(io.BytesIO(archive[f"imrmc/{criterion['key']}.csv"]))
        assert list(frame) == ["readerID", "caseID", "modalityID", "score"]
        assert not frame.duplicated(["readerID", "caseID", "modalityID"]).any()
    frame = pd.read_csv(io.BytesIO(archive["imrmc/real-or-made.csv"]))
    truth = frame[frame["readerID"] == "truth"]
    assert set(truth["caseID"]) == set(frame["caseID"])
    assert sorted(set(truth["score"])) == [0, 1]
    assert pd.api.types.is_integer_dtype(frame["caseID"])


def test_reasons_leave_unless_they_name_somebody(archive):
    events = rows(archive, "data/events.csv")
    written = {row["act"]: json.loads(row["written"]) for row in events}
    assert written["unblind"]["reason"]["text"] == "=All readings are in."
    assert written["revoke reader"] == {}  # “Bob knows the models.”
    revoked = next(row for row in events if row["act"] == "revoke reader")
    assert set(json.loads(revoked["commitments"])) == {"actor", "reason"}


@pytest.mark.parametrize(
    ("value", "left"),
    [
        ("/home/alice/fern", "fern"),
        (r"C:\Users\alice\fern", "fern"),
        ("black-forest-labs/FLUX.1-dev", "black-forest-labs/FLUX.1-dev"),
        ({"importer": "alice", "base": {"prior": "/srv/prior"}}, {"base": {"prior": "prior"}}),
        (["/a/b", 1, None], ["b", 1, None]),
    ],
)
def test_paths_and_people_are_left_out_of_descriptions(value, left):
    assert placeless(value) == left
    assert placeless(left) == left
