"""Every number of a report, as JSON: estimates with n, interval and the reason for what lacks.

One module a section; its `section` takes `StudyData` and gives its part of the results.
"""

from dataclasses import asdict
from typing import Any

from analysis import sentences
from analysis.results import against_readers, blinding, metrics, preference, readers, scores
from analysis.results.data import StudyData

SECTIONS = (scores, preference, metrics, against_readers, readers, blinding)


def results_of(data: StudyData) -> dict[str, Any]:
    """Plain JSON: dicts, lists, strings, finite numbers, None."""
    results: dict[str, Any] = {
        "arms": data.arms,
        "made": data.made,
        "criteria": [asdict(criterion) for criterion in data.protocol.rated],
    }
    for module in SECTIONS:
        results |= module.section(data)
    results["sentences"] = sentences.findings(results)
    results["limits"] = sentences.limits(results)
    results["said"] = sentences.by_section(results)
    return results
