"""Tables as CSV: fixed order, UTF-8, and no cell that a spreadsheet would run as a formula."""

from collections.abc import Callable
from typing import Any

import pandas as pd

from analysis.dataset import metric_frame, ranking_frame, score_frame
from analysis.models import Report
from analysis.remarks import activity_frame, comment_frame, flag_frame
from annotation.models import Study

FORMULA = ("=", "+", "-", "@", "\t", "\r")
ESTIMATE = ("value", "low", "high", "p", "pairs", "n", "reason")


def csv_text(frame: pd.DataFrame) -> str:
    """The frame as CSV; text that would start a formula gets a leading apostrophe."""
    return (
        frame.map(_harmless)
        .rename(columns=_harmless)
        .to_csv(index=False, lineterminator="\r\n", date_format="%Y-%m-%dT%H:%M:%S.%fZ")
    )


def _harmless(cell: Any) -> Any:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA) else cell


def _means(report: Report) -> pd.DataFrame:
    rows = [*report.results["means"]]
    rows += [{"criterion": "rank", "name": "Rank", **r} for r in report.results["ranks"]]
    return pd.DataFrame(rows, columns=["criterion", "name", "arm", *ESTIMATE]).drop(columns="p")


def _arm_metrics(report: Report) -> pd.DataFrame:
    floor = report.results["floor"]
    rows = [*report.results["metrics"]]
    rows += [
        {"metric": f"fbd at {floor['half']} against {floor['half']}", "arm": arm, "value": value}
        for arm, value in floor["fbd_at_half"].items()
    ]
    real = "real against real"
    rows += [
        {"metric": metric, "arm": real, "value": floor[key], "reason": floor["reason"]}
        for metric, key in (("fidelity", "fidelity"), ("frechet", "frechet"))
    ]
    rows.append(
        {
            "metric": f"fbd at {floor['half']} against {floor['half']}",
            "arm": real,
            "value": floor["fbd"],
        }
    )
    columns = ["metric", "arm", "value", "low", "high", "pairs", "images", "reason"]
    return pd.DataFrame(rows, columns=columns).astype({"pairs": "Int64", "images": "Int64"})


def _correlations(report: Report) -> pd.DataFrame:
    rows = [
        {**row, **{f"spearman_{k}": row["spearman"][k] for k in ("value", "low", "high", "reason")}}
        for row in report.results["correlations"]
    ]
    columns = ["metric", "criterion", "claim", "level", "value", "low", "high", "p", "p_holm"]
    columns += ["pairs", "n", "reason", "spearman_value", "spearman_low", "spearman_high"]
    return pd.DataFrame(rows, columns=columns)


def _agreement(report: Report) -> pd.DataFrame:
    found = report.results["readers"]
    rows = [
        {"criterion": row["criterion"], "statistic": label, "readers": row["readers"], **row[key]}
        for row in found["icc"]
        for label, key in (("ICC(A,1)", "single"), ("ICC(A,k)", "average"))
    ]
    rows += [{**row, "statistic": "ICC(A,1) with themselves"} for row in found.get("self", [])]
    rows.append({"criterion": "rank", "statistic": "mean Kendall W", **found["kendall_w"]})
    columns = ["criterion", "statistic", "readers", *ESTIMATE]
    return pd.DataFrame(rows, columns=columns).drop(columns="p").astype({"readers": "Int64"})


# By name as it stands in the address: of a study, and of a report.
STUDY_TABLES: dict[str, Callable[[Study], pd.DataFrame]] = {
    "scores": score_frame,
    "rankings": ranking_frame,
    "comments": comment_frame,
    "flags": flag_frame,
    "activity": activity_frame,
}
REPORT_TABLES: dict[str, Callable[[Report], pd.DataFrame]] = {
    "means": _means,
    "metrics": metric_frame,
    "arms": _arm_metrics,
    "correlations": _correlations,
    "agreement": _agreement,
}
