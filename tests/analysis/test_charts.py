"""Figures tell arms apart."""

from itertools import pairwise

import pytest

from analysis import charts

ALIKE = [f"flux-lora-rank-{rank}-seed-1-step-2000" for rank in range(1, 13)]
LONGER = [
    f"kandinsky-2.2-lora-trained-on-{of}-polyps-of-kvasir-seg-for-2000-steps"
    for of in "ABCDEFGHIJKL"
]


@pytest.mark.parametrize("arms", [["fern", *ALIKE], ["fern", *LONGER]])
def test_arms_whose_long_names_begin_and_end_alike_have_labels_of_their_own(arms):
    results = {
        "arms": arms,
        "criteria": [{"key": "real", "name": "Real", "minimum": 0, "maximum": 10}],
        "means": [
            {"criterion": "real", "arm": arm, "value": 5.0, "low": 4.0, "high": 6.0} for arm in arms
        ],
        "preference": [
            {
                "real": False,
                "reason": "",
                "worths": [{"arm": arm, "value": 0.3, "low": 0.2, "high": 0.4} for arm in arms],
            }
        ],
    }
    for draw in (charts.scores_by_arm, charts.preferred):
        figure = draw(results)
        figure.draw_without_rendering()
        labels = figure.axes[0].get_yticklabels()
        assert [label.get_text().replace("\n", "") for label in labels] == arms
        ends = sorted((box.y0, box.y1) for box in (la.get_window_extent() for la in labels))
        assert all(below[1] <= above[0] for below, above in pairwise(ends))


def test_a_long_name_that_no_other_looks_like_is_cut_in_its_middle():
    assert charts._short(["fern", ALIKE[0]]) == ["fern", "flux-lora-r…-step-2000"]
