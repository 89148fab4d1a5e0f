"""Names in what this floor keeps of a study: its reports as they were made, and its archives."""

from collections.abc import Iterable
from functools import partial
from typing import Any

from django.db import transaction

from analysis.models import Export, Report
from annotation.erasure import Written
from annotation.models import Study
from annotation.names import Names
from generation.storage import forget

MASKED = (
    "Names",
    "masked after this report was made: files of it from before have other checksums",
)


def written(study: Study) -> Iterable[Written]:
    """The lines on its design in every report: why cases and sets were taken out."""
    for report in study.reports.exclude(results={}):
        for place, (what, words) in enumerate(report.results.get("design", [])):
            keep = partial(_keep, report, place)
            yield Written(f"report {report.pk}, {what}", words, keep)


def erased(study: Study) -> None:
    """Archives of it go: they may say what is masked since, and can be made anew."""
    for export in Export.objects.there().filter(study=study):
        Export.objects.filter(pk=export.pk).update(file="")
        transaction.on_commit(partial(forget, str(export.file)))


def masked_results(results: dict[str, Any], names: Names) -> dict[str, Any]:
    """A report’s numbers with nobody’s name in the lines on its design."""
    design = [[what, names.masked(words)] for what, words in results.get("design", [])]
    return results if design == results.get("design", []) else {**results, "design": _said(design)}


def _keep(report: Report, place: int, words: str) -> None:
    report.results["design"][place][1] = words
    report.results["design"] = _said(report.results["design"])
    report.save(update_fields=["results"])
    Report.objects.filter(pk=report.pk).drop_pdfs()


def _said(design: list[list[str]]) -> list[list[str]]:
    """With a line that says that it was masked."""
    return [line for line in design if tuple(line) != MASKED] + [list(MASKED)]
