"""Every number of a report, as JSON: estimates with n, interval and the reason for what lacks.

One module a section; its `section` takes `StudyData` and gives its part of the results.
"""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from analysis import section_words, sentences
from analysis.results import (
    against_readers,
    blinding,
    generators,
    metrics,
    missing,
    models,
    preference,
    readers,
    scores,
    tiers,
)
from analysis.results.data import StudyData

SECTIONS = (
    missing, scores, preference, metrics, against_readers, models, generators, tiers, readers,
    blinding,
)  # fmt: skip


def results_of(
    data: StudyData, *, progress: Callable[[str], None] = lambda section: None
) -> dict[str, Any]:
    """Plain JSON: dicts, lists, strings, finite numbers, None.

    Args:
        progress: Called with the name of each section before it is computed.
    """
    results: dict[str, Any] = {
        "arms": data.arms,
        "made": data.made,
        "criteria": [asdict(criterion) for criterion in data.criteria],
    }
    for module in SECTIONS:
        progress(module.__name__.rpartition(".")[2].replace("_", " "))
        results |= module.section(data)
    results["sentences"] = sentences.findings(results)
    results["limits"] = sentences.limits(results)
    results["said"] = section_words.by_section(results)
    return results
