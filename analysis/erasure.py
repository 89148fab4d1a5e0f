"""Names in what this floor keeps of a study: its reports as they were made, and its archives."""

from collections.abc import Iterable
from functools import partial
from typing import Any

from django.db import transaction

from analysis.models import Export, Report
from analysis.study_words import IN_WORDS
from annotation.erasure import Written
from annotation.models import Study
from annotation.names import Names
from generation.storage import forget

MASKED = (
    "Names",
    "masked after this report was made: files of it from before have other checksums",
)


def written(study: Study) -> Iterable[Written]:
    """In every report, why cases and sets were taken out."""
    for report in study.reports.exclude(results={}):
        for place, (what, words) in enumerate(report.results.get("design", [])):
            if what in IN_WORDS:
                keep = partial(_keep, report, place)
                yield Written(f"report {report.pk}, {what}", words, keep)


def erased(study: Study) -> None:
    """Archives of it go, also what is being made: they may say what is masked since, and can be
    made anew."""
    for export in Export.objects.unfinished().filter(study=study):
        export.cancel()
    for export in Export.objects.filter(study=study).exclude(file=""):
        Export.objects.filter(pk=export.pk).update(file="")
        transaction.on_commit(partial(forget, str(export.file)))


def masked_results(results: dict[str, Any], names: Names) -> dict[str, Any]:
    """A report’s numbers with nobody’s name in what people wrote on its design."""
    design = [
        [what, names.masked(words) if what in IN_WORDS else words]
        for what, words in results.get("design", [])
    ]
    return results if design == results.get("design", []) else {**results, "design": _said(design)}


def _keep(report: Report, place: int, words: str) -> None:
    report.results["design"][place][1] = words
    report.results["design"] = _said(report.results["design"])
    report.save(update_fields=["results"])
    Report.objects.filter(pk=report.pk).drop_pdfs()


def _said(design: list[list[str]]) -> list[list[str]]:
    """With a line that says that it was masked."""
    return [line for line in design if tuple(line) != MASKED] + [list(MASKED)]
