"""The report as PDF."""

import io
import subprocess
import sys

import pypdfium2
import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from PIL import Image as Pillow

from analysis.images import StudyImages
from analysis.models import Report, ReportPdf
from analysis.pdf import MISSING, keep_pdf, kept_pdf, pdf_of
from analysis.reports import compute_report, create_report, perform_report
from generation.jobs import perform
from tests.analysis.builders import a_claimed_report, a_rated_study, a_report, know_features
from tests.builders import png

pytestmark = pytest.mark.django_db


@pytest.fixture
def report():
    study = a_rated_study(pairs=5)
    know_features(study)
    return a_report(study)


def text_of(content: bytes) -> str:
    with pypdfium2.PdfDocument(content) as document:
        pages = [page.get_textpage().get_text_range() for page in document]
    return " ".join(" ".join(pages).split())


def test_it_says_what_the_page_says_on_numbered_pages(report):
    content = pdf_of(report)
    text = text_of(content)
    for sentence in report.results["sentences"] + report.results["limits"]:
        # A line may end anywhere in it.
        assert "".join(sentence.split())[:60] in "".join(text.split())
    for mean in report.results["means"]:
        assert f"({mean['low']:.2f} to {mean['high']:.2f})" in text
    with pypdfium2.PdfDocument(content) as document:
        assert f"page 1 of {len(document)}" in text
        for page in document:  # nothing reaches beyond the margins
            width, _ = page.get_size()
            for thing in page.get_objects():
                left, _, right, _ = thing.get_bounds()
                assert -1 <= left <= right <= width + 1


def test_two_reports_on_the_same_answers_are_the_same_bytes(report):
    first = pdf_of(report)
    assert pdf_of(report) == first
    assert pdf_of(a_report(report.study)) == first


def test_a_worker_makes_it_with_the_report_and_a_request_only_hands_it_out(client):
    study = a_rated_study(pairs=5)
    know_features(study)
    report = a_claimed_report(study)
    perform_report(report)
    assert bytes(report.pdf.content) == pdf_of(report)
    ReportPdf.objects.update(content=b"as it was kept")
    client.force_login(study.owner)
    assert client.get(f"/reports/{report.pk}/report.pdf").content == b"as it was kept"
    assert client.get(f"/api/v1/reports/{report.pk}/pdf/").content == b"as it was kept"
    compute_report(report)
    assert not ReportPdf.objects.exists()


def test_one_that_was_never_made_is_made_and_kept_at_the_first_request(report, client):
    client.force_login(report.study.owner)
    content = client.get(f"/reports/{report.pk}/report.pdf").content
    assert content == pdf_of(report) == bytes(ReportPdf.objects.get().content)


def test_a_fault_in_making_it_is_logged_and_the_report_is_done(monkeypatch, caplog):
    def fault(*args, **named):
        raise RuntimeError("a font is torn")

    study = a_rated_study(pairs=5)
    know_features(study)
    report = create_report(study=study, by=study.owner, resamples=1000)
    with monkeypatch.context() as broken:
        broken.setattr("weasyprint.HTML.write_pdf", fault)
        perform(Report, report.pk)
    report.refresh_from_db()
    assert (report.status, report.error) == ("done", "")
    assert report.results["sentences"]
    assert "a font is torn" in caplog.text
    assert not ReportPdf.objects.exists()
    assert kept_pdf(report) == bytes(ReportPdf.objects.get().content)


def test_one_that_lacks_a_picture_is_handed_out_and_not_kept(report):
    images = StudyImages.of(report.study).all()
    pair = {"generated_image": images[0].pk, "training_image": images[1].pk}
    report.results["metric_findings"].append(
        {"metric": "copying", "arm": "Fern", "rows": [
            {"sentence": "Evidence of copying."}, pair | {"distance": 0.5, "held_out_as_near": 0.0},
        ]}
    )  # fmt: skip
    report.save()
    name = images[1].file.name
    content = default_storage.open(name).read()
    default_storage.delete(name)
    assert text_of(keep_pdf(report))
    assert not ReportPdf.objects.exists()
    assert default_storage.save(name, ContentFile(content)) == name
    assert kept_pdf(report) == bytes(ReportPdf.objects.get().content)


def test_it_is_dropped_where_results_change_and_never_kept_of_results_that_are_gone(report):
    keep_pdf(report)
    results = {**report.results, "sentences": ["Somebody’s name was taken out."]}
    Report.objects.filter(pk=report.pk).update(results=results)
    Report.objects.filter(pk=report.pk).drop_pdfs()
    keep_pdf(report)  # by someone who read it before
    assert not ReportPdf.objects.exists()
    assert "name was taken out" in text_of(kept_pdf(Report.objects.get()))
    report.delete()
    assert not ReportPdf.objects.exists()


def test_after_it_torn_images_are_refused_as_before(report):
    pdf_of(report)
    whole = png(1, size=64)
    torn = Pillow.open(io.BytesIO(whole[: len(whole) // 2]))
    with pytest.raises(OSError, match="truncated"):
        torn.load()


def test_without_pango_it_says_what_to_install():
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_PANGO], capture_output=True, text=True, check=False
    )
    assert done.stdout.strip().endswith(MISSING), done.stderr


# WeasyPrint on a machine that lacks the library: no name of it can be opened.
WITHOUT_PANGO = """
import os, ctypes.util, cffi
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
find, opened = ctypes.util.find_library, cffi.FFI.dlopen
ctypes.util.find_library = lambda name: None if "pango" in name else find(name)
def dlopen(self, name, flags=0):
    if "pango" in str(name):
        raise OSError(f"cannot load library {name!r}")
    return opened(self, name, flags)
cffi.FFI.dlopen = cffi.api.FFI.dlopen = dlopen
import django
django.setup()
from analysis.pdf import PdfError, _weasyprint
try:
    _weasyprint()
except PdfError as error:
    print(error)
"""
