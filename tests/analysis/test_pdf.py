"""The report as PDF."""

import io
import subprocess
import sys

import pypdfium2
import pytest
from PIL import Image as Pillow

from analysis.pdf import MISSING, pdf_of
from tests.analysis.builders import a_rated_study, a_report, know_features
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
