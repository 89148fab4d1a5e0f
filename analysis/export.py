"""Tables as CSV: fixed order, UTF-8, and no cell that a spreadsheet would run as a formula."""

import hashlib
import io
import json
import zipfile
from collections.abc import Callable
from functools import partial
from typing import Any

import pandas as pd

from analysis.cells import harmless
from analysis.dataset import guess_frame, metric_frame, ranking_frame, score_frame
from analysis.models import OwnRatings, Report
from analysis.own.data import own_frames
from analysis.own.reports import kept_tables, own_tables
from analysis.pdf import PdfError, kept_pdf
from analysis.remarks import activity_frame, comment_frame, flag_frame
from annotation.models import Study

INTERVAL = ("value", "low", "high", "pairs", "n", "reason")
COUNTS = (
    "pairs", "n", "choices", "readers", "guesses", "right", "wrong", "unsure", "cases",
    "submitted", "checks", "checks_passed", "checks_open", "comments", "flags", "images", "timed",
)  # fmt: skip
ESTIMATE = ("value", "low", "high", "p", "pairs", "n", "reason")


def csv_text(frame: pd.DataFrame) -> str:
    """The frame as CSV; text that would start a formula gets a leading apostrophe."""
    return _csv(frame.map(_harmless).rename(columns=_harmless))


def cell_texts(frame: pd.DataFrame) -> pd.DataFrame:
    """What stands in each cell, as CSV writes it; names as they are."""
    return pd.read_csv(io.StringIO(_csv(frame)), dtype=str, keep_default_na=False)


def _csv(frame: pd.DataFrame) -> str:
    return frame.to_csv(index=False, lineterminator="\r\n", date_format="%Y-%m-%dT%H:%M:%S.%fZ")


def _harmless(cell: Any) -> Any:
    return harmless(cell) if isinstance(cell, str) else cell


def _means(report: Report) -> pd.DataFrame:
    rows = [*report.results["means"]]
    rows += [{"criterion": "rank", "name": "Rank", **r} for r in report.results["ranks"]]
    return pd.DataFrame(rows, columns=["criterion", "name", "arm", *ESTIMATE]).drop(columns="p")


def _arm_metrics(report: Report) -> pd.DataFrame:
    rows = [*report.results["metrics"]]
    for floor in report.results.get("floors", []):
        at = f"{floor['metric']} at {floor['n']} against {floor['m']}"
        rows.append({**floor, "metric": at, "arm": "real against real"})
        rows += [
            {"metric": at, "arm": arm, "value": value}
            for arm, value in sorted(floor["same_n"].items())
        ]
    columns = ["metric", "arm", "value", "low", "high", "pairs", "images", "reason"]
    return pd.DataFrame(rows, columns=columns).astype({"pairs": "Int64", "images": "Int64"})


def _correlations(report: Report) -> pd.DataFrame:
    rows = [
        {**row, **{f"spearman_{k}": row["spearman"][k] for k in ("value", "low", "high", "reason")}}
        for row in report.results["correlations"]
    ]
    columns = ["metric", "criterion", "claim", "level", "value", "low", "high", "p", "p_holm"]
    columns += ["p_bh", "pairs", "n", "reason", "spearman_value", "spearman_low", "spearman_high"]
    return pd.DataFrame(rows, columns=columns)


AGREEMENT = {"ICC(A,1)": "single", "ICC(A,k)": "average", "Krippendorff's alpha": "alpha"}


def _agreement(report: Report) -> pd.DataFrame:
    found = report.results["readers"]
    rows = [
        {"criterion": row["criterion"], "statistic": label, "readers": row["readers"], **row[key]}
        for row in found["icc"]
        for label, key in AGREEMENT.items()
        if key in row
    ]
    rows += [{**row, "statistic": "ICC(A,1) with themselves"} for row in found.get("self", [])]
    rows.append({"criterion": "rank", "statistic": "mean Kendall W", **found["kendall_w"]})
    columns = ["criterion", "statistic", "readers", *ESTIMATE]
    return pd.DataFrame(rows, columns=columns).drop(columns="p").astype({"readers": "Int64"})


def _rows(key: str, *columns: str) -> Callable[[Report], pd.DataFrame]:
    """A list of the results as a table; without rows where the report is older than the list."""

    def table(report: Report) -> pd.DataFrame:
        rows = [_flat(row) for row in report.results.get(key) or []]
        return _whole(pd.DataFrame(rows, columns=columns))

    return table


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    """Estimates within a row as columns: ``tau_value``, ``tau_low``, …"""
    flat: dict[str, Any] = {}
    for key, cell in row.items():
        if isinstance(cell, dict):
            flat |= {f"{key}_{part}": value for part, value in cell.items()}
        else:
            flat[key] = "; ".join(map(str, cell)) if isinstance(cell, list) else cell
    return flat


def _whole(frame: pd.DataFrame) -> pd.DataFrame:
    """Counts as whole numbers, where some are missing too."""
    counts = [c for c in frame if c in COUNTS or str(c).endswith(("_n", "_pairs"))]
    return frame.astype(dict.fromkeys(counts, "Int64"))


def _preference(report: Report) -> pd.DataFrame:
    """Chances of being the best of all, then of being preferred to another."""
    rows = [
        {"with_real": fit["real"], "statistic": statistic, "regularised": fit["regularised"], **row}
        for fit in report.results.get("preference", [])
        for statistic, key in (("best of all", "worths"), ("preferred to other", "over"))
        for row in fit[key]
    ]
    columns = ["with_real", "statistic", "arm", "other", *INTERVAL, "regularised"]
    return _whole(pd.DataFrame(rows, columns=columns))


def _copies(report: Report) -> pd.DataFrame:
    """What metrics found beside their value: the sentence, or the nearest pairs of images."""
    rows = [
        {
            "metric": found["metric"],
            "arm": found["arm"],
            "row": number,
            "field": field,
            "value": value,
        }
        for found in report.results.get("metric_findings", [])
        for number, row in enumerate(found["rows"], 1)
        for field, value in sorted(row.items())
    ]
    return pd.DataFrame(rows, columns=["metric", "arm", "row", "field", "value"])


def _residuals(report: Report) -> pd.DataFrame:
    """The points of the figure of claims: metric and score without what prompt and arm explain."""
    rows = [
        {"metric": of["metric"], "criterion": of["criterion"], "unit": unit, "arm": arm,
         "metric_residual": of["x"][i][a], "score_residual": of["y"][i][a]}
        for of in report.results.get("residuals", [])
        for i, unit in enumerate(of["units"])
        for a, arm in enumerate(of["arms"])
    ]  # fmt: skip
    columns = ["metric", "criterion", "unit", "arm", "metric_residual", "score_residual"]
    return pd.DataFrame(rows, columns=columns)


# By name as it stands in the address: of a study, and of a report.
STUDY_TABLES: dict[str, Callable[[Study], pd.DataFrame]] = {
    "scores": score_frame,
    "rankings": ranking_frame,
    "comments": comment_frame,
    "flags": flag_frame,
    "activity": activity_frame,
    "guesses": guess_frame,
}
REPORT_TABLES: dict[str, Callable[[Report], pd.DataFrame]] = {
    "means": _means,
    "preference": _preference,
    "arm-tests": _rows(
        "arm_tests", "criterion", "name", "chi2", "p", "mean_ranks", "critical_difference",
        "pairs", "reason",
    ),
    "arm-differences": _rows(
        "arm_differences", "criterion", "name", "arm", "other", *INTERVAL[:3], "p", "p_holm",
        *INTERVAL[3:],
    ),
    "arms": _arm_metrics,
    "findings": _copies,
    "correlations": _correlations,
    "residuals": _residuals,
    "models": _rows(
        "models", "metric", "metric_name", "criterion", "name",
        *(f"{kind}_{part}" for kind in ("within", "between", "odds") for part in ESTIMATE),
        *(f"{kind}_{part}" for kind in ("score_reliability", "metric_reliability", "noiseless")
          for part in INTERVAL),
        *(f"sd_{effect}"
          for effect in ("pair", "case", "pair under an arm", "set", "reader", "score")),
    ),
    "generators": _rows(
        "generators", "criterion", "name", "metric", "metric_name", "better",
        *(f"tau_{part}" for part in ESTIMATE), *(f"soft_{part}" for part in INTERVAL),
    ),
    "tiers": _rows("tiers", "metric", "metric_name", "better", "with_real", "tier", *INTERVAL),
    "missing": _rows(
        "missing", "criterion", "name", "arm", "expected", "given", "not_applicable", "missing",
    ),
    "following": _rows(
        "following", "criterion", "name", "metric", "metric_name", "level", *INTERVAL, "threshold",
        "ties", "tau_value", "tau_low", "tau_high", "tau_n", "tau_reason",
    ),
    "comparisons": _rows(
        "comparisons", "criterion", "name", "metric", "other", *INTERVAL[:3], "p", "p_holm",
        *INTERVAL[3:],
    ),
    "agreement": _agreement,
    "habits": _rows(
        "habits", "criterion", "name", "reader", "mean", "sd", "used", "ends", "commonest", "n",
        "severity_value", "severity_low", "severity_high", "severity_n", "severity_reason",
    ),
    "orders": _rows("orders", "criterion", "name", "order", *INTERVAL),
    "reader-pairs": _rows(
        "reader_pairs", "criterion", "name", "first", "second", "same", "suspicious",
        "kappa_value", "kappa_low", "kappa_high", "kappa_n", "kappa_reason",
        "excess_value", "excess_low", "excess_high", "excess_n", "excess_reason",
    ),
    "readers": _rows(
        "attention", "reader", "cases", "submitted", "checks", "checks_passed", "checks_open",
        "comments", "flags", "seconds", "timed",
    ),
    "flags-by-arm": _rows("flags", "arm", "reason", "flags", "images"),
    "blinding": _rows(
        "blinding", "question", "arm", "choices", "readers", "guesses", "right", "wrong", "unsure",
        *INTERVAL[:3], "reason",
    ),
}  # fmt: skip


def report_frames(report: Report) -> dict[str, Callable[[], pd.DataFrame]]:
    """By name the tables of a report, and those it rests on: what makes each."""
    frames: dict[str, Callable[[], pd.DataFrame]] = {
        name: partial(make, report) for name, make in REPORT_TABLES.items()
    }
    if report.study:
        frames["metrics"] = partial(metric_frame, report)
        frames |= {name: partial(make, report.study) for name, make in STUDY_TABLES.items()}
    if report.own:
        kinds = [*kept_tables(report.own), "cases"]
        frames |= {kind: partial(_own_frame, report.own, kind) for kind in kinds}
    return frames


def _own_frame(own: OwnRatings, kind: str) -> pd.DataFrame:
    return own_frames(own_tables(own))[kind]


def csv_files(report: Report) -> dict[str, Callable[[], str]]:
    """`report_frames` as CSV; tables that were brought, as they came."""
    files: dict[str, Callable[[], str]] = {
        name: partial(_made, make) for name, make in report_frames(report).items()
    }
    if report.own:
        files |= {kind: partial(str, table.text) for kind, table in kept_tables(report.own).items()}
    return files


def _made(make: Callable[[], pd.DataFrame]) -> str:
    return csv_text(make())


def files_of(report: Report, *, pdf: Callable[[Report], bytes] = kept_pdf) -> dict[str, bytes]:
    """A report as files by their name: PDF, tables, figures, results.json, and SHA256SUMS of all.

    The same report and answers give the same bytes. Where no PDF can be made, a text says why.

    Args:
        pdf: `pdf_of` where the results are others than those stored.
    """
    from analysis import charts

    texts = {f"{name}.csv": make() for name, make in csv_files(report).items()}
    texts |= {f"{figure.name}.svg": figure.svg for figure in report.figures.all()}
    texts["results.json"] = json.dumps(report.results, indent=2, ensure_ascii=False)
    files = {name: text.encode() for name, text in texts.items()}
    for name in charts.names(report.results):
        files[f"{name}.png"] = charts.draw(name, report.results, "png")
    try:
        files["report.pdf"] = pdf(report)
    except PdfError as error:
        files["report.pdf.missing.txt"] = f"{error}\n".encode()
    sums = [f"{hashlib.sha256(files[name]).hexdigest()}  {name}\n" for name in sorted(files)]
    return files | {"SHA256SUMS": "".join(sums).encode()}


def zip_of(report: Report) -> bytes:
    """`files_of` as a ZIP archive."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in sorted(files_of(report).items()):
            # A fixed date: that of the file would change the bytes.
            entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, content, zipfile.ZIP_DEFLATED, compresslevel=9)
    return out.getvalue()
