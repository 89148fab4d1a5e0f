"""What a study asks of its readers, in their language, for the pages that say so."""

from typing import Any

from django.utils.translation import get_language

from annotation.design import LETTERS
from annotation.models import Study
from annotation.pace import in_words, seconds_of
from annotation.protocols import Protocol


def in_reader_language(study: Study) -> Protocol:
    return study.protocol.in_language(get_language() or "")


def asked(study: Study) -> dict[str, Any]:
    """Context of annotation/reader_asked.html; ``count`` is of cases as readers count them."""
    protocol = in_reader_language(study)
    arms = study.arms.count()
    sets = arms if protocol.together else 1
    cases = study.cases.filter(practice=False).count() * arms // sets
    count = round(cases * (1 + protocol.repeats)) + protocol.practice + protocol.checks
    minutes = max(1, round(seconds_of(protocol, arms=arms) * count / 60))
    return {
        "study": study,
        "protocol": protocol,
        "count": count,
        "letters": LETTERS[:sets],
        "not_applicable": any(criterion.not_applicable for criterion in protocol.criteria),
        "whole_time": in_words(minutes),
    }
