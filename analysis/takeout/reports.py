"""Tables of a study's reports and the metric values they rest on; numbers and figures are files."""

from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath
from typing import Any

from analysis.erasure import masked_results
from analysis.models import Figure, MetricValue, Report
from analysis.takeout import TakeoutError
from analysis.takeout.arriving import Arriving
from analysis.takeout.cells import Row, Table, as_json, number, text, time, whole
from analysis.takeout.leaving import Leaving

REPORT_FIELDS = ("embedder", "resamples", "seed", "status", "done", "total", "queued_at",
                 "started_at", "finished_at")  # fmt: skip
RESULTS = "results.json"


def reports_of(leaving: Leaving) -> dict[int, Report]:
    """Those that are done, by their numbers here: the last is the newest."""
    done = Report.objects.filter(study=leaving.study, status=Report.Status.DONE)
    found = list(done.exclude(results={}).order_by("pk"))
    for report in found:  # never saved so
        report.results = masked_results(without_keys(report.results), leaving.names)
    return dict(enumerate(found, 1))


def without_keys(results: dict[str, Any]) -> dict[str, Any]:
    """Without primary keys of images, which mean others elsewhere; so no pictures in its PDF."""
    if not results.get("metric_findings"):
        return results
    found = [
        {
            **finding,
            "rows": [
                {key: value for key, value in row.items() if not key.endswith("_image")}
                for row in finding["rows"]
            ],
        }
        for finding in results["metric_findings"]
    ]
    return {**results, "metric_findings": found}


def folder(place: int) -> str:
    return f"reports/{place}/"


def report_files(leaving: Leaving) -> Iterator[tuple[str, bytes]]:
    """Results and figures of every report; of the newest also what its own archive holds."""
    from analysis.export import STUDY_TABLES, files_of
    from analysis.pdf import pdf_of

    found = reports_of(leaving)
    for place, report in found.items():
        files = {}
        if place == len(found):
            ours = {*(f"{table}.csv" for table in STUDY_TABLES), "SHA256SUMS"}
            its_own = files_of(report, pdf=pdf_of)  # the kept one has pictures
            files = {name: f for name, f in its_own.items() if name not in ours}
        files |= {f"{figure.name}.svg": figure.svg.encode() for figure in report.figures.all()}
        files[RESULTS] = as_json(report.results, indent=2).encode()
        for name in sorted(files):
            yield folder(place) + name, files[name]


def _report_rows(leaving: Leaving) -> Iterable[Row]:
    for place, report in reports_of(leaving).items():
        yield {"report": place, **{name: getattr(report, name) for name in REPORT_FIELDS}}


def _restore_reports(arriving: Arriving, rows: list[Row]) -> None:
    arriving.reports = arriving.keyed(
        Report,
        places := [row.pop("report") for row in rows],
        [
            Report(
                **row,
                study=arriving.study,
                created_by=arriving.by,
                results=_results(arriving, f"{folder(place)}{RESULTS}"),
            )
            for place, row in zip(places, rows, strict=True)
        ],
    )
    arriving.create(
        Figure,
        (
            Figure(report=report, name=PurePosixPath(file).stem, svg=arriving.read(file).decode())
            for place, report in arriving.reports.items()
            for file in sorted(arriving.files)
            if file.startswith(folder(place)) and file.endswith(".svg")
        ),
    )


def _results(arriving: Arriving, file: str) -> dict[str, Any]:
    results = arriving.read_json(file)
    if not isinstance(results, dict) or not _is_lines(results.get("design", [])):
        raise TakeoutError(
            f"{file} can't be a report's numbers: they are an object, whose “design” is a list of "
            "pairs of texts. Export the study anew where it came from."
        )
    return without_keys(results)


def _is_lines(design: Any) -> bool:
    return isinstance(design, list) and all(
        isinstance(line, list) and [type(part) for part in line] == [str, str] for line in design
    )


def _metric_rows(leaving: Leaving) -> Iterable[Row]:
    places = {report.pk: place for place, report in reports_of(leaving).items()}
    found = MetricValue.objects.filter(report__in=places)
    rows: list[dict[str, Any]] = [
        {
            "report": places[report],
            "metric": metric,
            "arm": arm,
            "case": case,
            "value": value,
            "images": n,
        }
        for report, metric, arm, case, value, n in found.values_list(
            "report", "metric", "arm__position", "case__position", "value", "n"
        )
    ]
    return sorted(
        rows, key=lambda row: (row["report"], row["metric"], row["case"] or 0, row["arm"])
    )


def _restore_metrics(arriving: Arriving, rows: list[Row]) -> None:
    arriving.create(
        MetricValue,
        (
            MetricValue(
                report=arriving.reports[row["report"]],
                metric=row["metric"],
                arm=arriving.arms[row["arm"]],
                case=arriving.cases[row["case"]] if row["case"] else None,
                value=row["value"],
                n=row["images"],
            )
            for row in rows
        ),
    )


TABLES = [
    Table(
        "reports",
        "A report on the study; numbers and figures are in reports/, the newest with its tables.",
        [
            whole("report", "Its number here; the highest is the newest."),
            text("embedder", "What the images' features come from."),
            whole("resamples", "Bootstrap draws and permutations."),
            whole("seed", "Of both."),
            text("status", "How it ended."),
            whole("done", "Images embedded."),
            whole("total", "Images to embed."),
            time("queued_at", "When it was asked for."),
            time("started_at", "When it was begun."),
            time("finished_at", "When it was done."),
        ],
        _report_rows,
        _restore_reports,
    ),
    Table(
        "metrics",
        "The value of one metric: of an arm in a case, or of an arm over all of them.",
        [
            whole("report", "Number of the report."),
            text("metric", "The metric's key; reports/ says what it is."),
            whole("arm", "Number of the arm."),
            whole("case", "Number of the case; empty over all cases. A metric with one value per "
                  "pair stands at the pair's first case."),
            number("value", "Its value."),
            whole("images", "Generated images that entered."),
        ],
        _metric_rows,
        _restore_metrics,
    ),
]  # fmt: skip
