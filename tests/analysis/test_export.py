"""Tables as CSV."""

import io

import pandas as pd
import pytest

from analysis.export import REPORT_TABLES, STUDY_TABLES, csv_text
from annotation.models import Activity, Comment, Flag, Reading
from tests.analysis.builders import a_rated_study, a_report, know_features

pytestmark = pytest.mark.django_db


def read(text):
    return pd.read_csv(io.StringIO(text))


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_text_that_a_spreadsheet_would_run_is_made_harmless(start):
    text = csv_text(pd.DataFrame({"arm": [f"{start}HYPERLINK(0)", "fine"], "value": [-1.5, 2.0]}))
    assert text.splitlines()[1].lstrip('"').startswith("'")
    assert read(text)["value"].tolist() == [-1.5, 2.0]  # numbers stay numbers
    assert read(text)["arm"][1] == "fine"


def test_a_table_has_the_same_bytes_every_time_and_reads_back():
    study = a_rated_study(pairs=5, score=lambda s, k, r: None if r.random() < 0.2 else 4)
    know_features(study)
    reading = Reading.objects.filter(reader__study=study).first()
    shown = reading.shown_images.first()
    Comment.objects.create(reading_set=reading.sets.first(), text="Good.", sequence=1)
    Flag.objects.create(shown_image=shown, reason="artefact", sequence=1)
    Activity.objects.create(reading=reading, act="active", detail={"seconds": 2}, sequence=1)
    report = a_report(study)
    for tables, of in ((STUDY_TABLES, study), (REPORT_TABLES, report)):
        for name, make in tables.items():
            text = csv_text(make(of))
            assert text == csv_text(make(of)), name
            frame = read(text)
            assert len(frame) == len(make(of)), name
            empty = ("guesses", "blinding", "findings", "residuals")  # nothing to find here
            assert len(frame) or name in empty, name
            assert "nan" not in text.lower().split(","), name


def test_the_means_table_holds_every_criterion_and_arm_and_the_ranks():
    study = a_rated_study(pairs=5)
    know_features(study)
    frame = read(csv_text(REPORT_TABLES["means"](a_report(study))))
    assert len(frame) == (6 + 1) * 3
    row = frame[(frame["criterion"] == "detectability")].iloc[-1]
    scores = read(csv_text(STUDY_TABLES["scores"](study)))
    own = scores[(scores["criterion"] == "detectability") & (scores["arm"] == row["arm"])]
    assert row["value"] == pytest.approx(own["score"].mean())
    assert row["n"] == len(own)
