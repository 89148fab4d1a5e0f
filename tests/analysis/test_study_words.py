"""What a report says of how its study was made."""

import pytest

from analysis.study_words import design_lines
from annotation.cases import exclude_case, include_case
from tests.builders import a_study

pytestmark = pytest.mark.django_db


def test_cases_left_out_before_sealing_are_told_with_their_reason():
    study = a_study(state="checked", readers=[])
    assert not [words for what, words in design_lines(study) if "before sealing" in what]
    gone = study.cases.get(position=1)
    pair = [gone.prompt.text, study.cases.get(prompt__rephrasing_of=gone.prompt).prompt.text]
    exclude_case(study=study, case=gone, by=study.owner, reason="No polyp in it.")
    told = [words for what, words in design_lines(study) if what == "Left out before sealing"]
    assert len(told) == 2
    assert all(any(text in words for words in told) for text in pair)
    assert all(words.endswith("No polyp in it.") for words in told)
    include_case(study=study, position=1, by=study.owner)
    assert not [words for what, words in design_lines(study) if "before sealing" in what]
