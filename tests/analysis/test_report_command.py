"""manage.py report"""

import json
import zipfile
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from analysis import charts
from analysis.export import csv_files
from analysis.models import Report
from annotation.models import Study
from tests.analysis.builders import a_rated_study, know_features
from tests.builders import a_study


@pytest.mark.django_db(transaction=True)
def test_it_computes_here_and_writes_every_table_and_figure(tmp_path):
    study = a_rated_study(pairs=5)
    know_features(study)
    out = StringIO()
    folder = tmp_path / "out"
    archive = tmp_path / "report.zip"
    call_command(
        "report", study.slug, "--output", folder, "--zip", archive, "--resamples", 1000, stdout=out
    )
    report = Report.objects.get()
    assert report.status == "done"
    assert report.results["sentences"][0] in out.getvalue()
    names = {file.name for file in folder.iterdir()}
    tables = {f"{name}.csv" for name in csv_files(report)}
    figures = {f"{name}.{form}" for name in charts.names(report.results) for form in ("svg", "png")}
    assert names == tables | figures | {"report.pdf", "results.json", "SHA256SUMS"}
    with zipfile.ZipFile(archive) as packed:
        assert {name: packed.read(name) for name in packed.namelist()} == {
            file.name: file.read_bytes() for file in folder.iterdir()
        }
    assert json.loads((folder / "results.json").read_text()) == report.results


@pytest.mark.django_db(transaction=True)
def test_what_fails_is_said_in_words_and_kept_on_the_row(settings):
    settings.EMBEDDER_SOURCES = {"biomedclip": "local-dir:/nowhere"}
    study = a_study(state=Study.State.CLOSED)
    with pytest.raises(CommandError, match=r"failed\. /nowhere needs open_clip_config\.json"):
        call_command("report", study.slug, "--embedder", "biomedclip")
    assert Report.objects.get().status == "failed"


@pytest.mark.django_db
def test_a_running_study_and_an_unknown_one_are_refused():
    study = a_study(state=Study.State.RUNNING)
    with pytest.raises(CommandError, match="stay hidden until"):
        call_command("report", study.slug)
    with pytest.raises(CommandError, match=f"No study “nothing”; there are: {study.slug}"):
        call_command("report", "nothing")
