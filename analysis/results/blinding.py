"""Did blinding hold? What readers guessed at the end."""

from dataclasses import asdict
from typing import Any

from analysis.results.data import StudyData
from analysis.statistics.guesses import blinding_index
from annotation.models import Guess

ALL = "all"


def section(data: StudyData) -> dict[str, Any]:
    """``blinding``: None where readers aren't asked; else rows by question and arm."""
    guesses = data.guesses
    if guesses is None:
        return {"blinding": None}
    rows = []
    for question in Guess.Question.values:
        asked = guesses[guesses["question"] == question]
        if question == Guess.Question.REAL and data.arms == data.made:
            continue
        # With another number of choices a guess is worth something else; most have the same.
        for arm in (ALL, *(arm for arm in data.arms if arm in set(asked["arm"]))):
            own = asked if arm == ALL else asked[asked["arm"] == arm]
            choices = int(own["choices"].mode().iloc[0]) if len(own) else 2
            own = own[own["choices"] == choices]
            right = own["right"].map({True: 1, False: 0})
            rows.append(
                {
                    "question": question,
                    "arm": arm,
                    "choices": choices,
                    "readers": int(own["reader"].nunique()),
                    "guesses": len(own),
                    "right": int((right == 1).sum()),
                    "wrong": int((right == 0).sum()),
                    "unsure": int(right.isna().sum()),
                    **asdict(blinding_index(own, choices=max(2, choices))),
                }
            )
    return {"blinding": rows}
