"""A report as PDF: the sections of its page on paper.

The same report gives the same bytes: fonts are those that matplotlib brings, figures are the
report's own, and the file bears neither a date nor a random name. Nothing comes from elsewhere.
"""

import hashlib
from pathlib import Path
from typing import Any

from django.db import transaction
from django.template.loader import render_to_string
from PIL import ImageFile

from analysis.models import Report, ReportPdf
from analysis.tables import tables_of
from generation.models import Image

MISSING = (
    "The PDF needs Pango, which this machine lacks. On Debian and Ubuntu: "
    "apt-get install libpango-1.0-0 libpangoft2-1.0-0"
)
MANY_ARMS = 5  # more of them lie across the paper's long side


class PdfError(Exception):
    """No PDF can be made here; the message says what to install."""


def kept_pdf(report: Report) -> bytes:
    """The PDF that the worker made with the report; made and kept now where there is none.

    Raises:
        PdfError: there is none, and Pango is not installed.
    """
    kept = ReportPdf.objects.filter(report=report).first()
    return bytes(kept.content) if kept else keep_pdf(report)


def keep_pdf(report: Report) -> bytes:
    """Make the PDF and keep it in place of an earlier one, unless it lacks a picture.

    Raises:
        PdfError: Pango is not installed.
    """
    content, whole = _made(report)
    if not whole:
        return content
    with transaction.atomic():
        now = Report.objects.select_for_update().filter(pk=report.pk).first()
        # Its numbers may have been replaced, or a name in them masked, while it was made.
        if now and now.results == report.results:
            ReportPdf.objects.update_or_create(report=now, defaults={"content": content})
    return content


def pdf_of(report: Report) -> bytes:
    """The whole report, made anew.

    Raises:
        PdfError: Pango is not installed.
    """
    return _made(report)[0]


def _made(report: Report) -> tuple[bytes, bool]:
    """The PDF, and whether all that it names was there."""
    weasyprint = _weasyprint()
    html = render_to_string("analysis/report_print.html", _context(report))
    fonts = weasyprint.text.fonts.FontConfiguration()
    fetcher = _fetcher(weasyprint, report)
    document = weasyprint.HTML(string=html, base_url="report:", url_fetcher=fetcher)
    # Else the file's identity is random.
    identity = hashlib.sha256(html.encode()).hexdigest()[:32].encode()
    content = document.write_pdf(font_config=fonts, pdf_identifier=identity)
    return content, not fetcher.failed


def _weasyprint() -> Any:
    strict = ImageFile.LOAD_TRUNCATED_IMAGES
    try:
        import weasyprint
        import weasyprint.text.fonts
    except OSError as error:
        raise PdfError(MISSING) from error
    finally:
        # It lets Pillow take torn files, everywhere; imports must go on refusing them.
        ImageFile.LOAD_TRUNCATED_IMAGES = strict
    return weasyprint


def _context(report: Report) -> dict[str, Any]:
    names = report.figures.values_list("name", flat=True)
    tables = tables_of(report.results)
    # Of every two readers there are too many for paper; all stand in reader-pairs.csv.
    leader = (report.results["leader"] or {}).get("name")
    pairs = [two for two in tables["reader_pairs"] if two["suspicious"] or two["name"] == leader]
    return {
        "report": report,
        "results": report.results,
        "figures": {name: f"figure:{name}" for name in names},
        "printed": True,
        "landscape": len(report.results["arms"]) > MANY_ARMS,
        **tables,
        "reader_pairs": pairs,
    }


def _fetcher(weasyprint: Any, report: Report) -> Any:
    """What the print template names: figures of the report, fonts, images by primary key.

    WeasyPrint goes on without what can't be fetched; ``failed`` says that there was such.
    """
    import matplotlib

    fonts = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    figures = dict(report.figures.values_list("name", "svg"))

    class Fetcher(weasyprint.urls.URLFetcher):
        failed = False

        def fetch(self, url: str, headers: Any = None) -> Any:
            try:
                return self._named(url)
            except Exception:
                self.failed = True
                raise

        def _named(self, url: str) -> Any:
            kind, _, name = url.partition(":")
            if kind == "figure":
                content, mime = figures[name].encode(), "image/svg+xml"
            elif kind == "font":
                content, mime = (fonts / f"{name}.ttf").read_bytes(), "font/ttf"
            elif kind == "image":
                with Image.objects.get(pk=int(name)).file.open("rb") as file:
                    content, mime = file.read(), "image/*"
            else:
                raise ValueError(f"A report takes nothing from elsewhere: {url}")
            return weasyprint.urls.URLFetcherResponse(url, content, {"Content-Type": mime})

    return Fetcher()
