"""Input for plans: what property tests draw."""

from hypothesis import strategies as st

from annotation.design import CaseRef, most_checks

secrets = st.text("0123456789abcdef", min_size=8, max_size=64)


def pairs_of(n):
    """So many prompts, each with its rephrasing."""
    return [CaseRef(case=2 * i + part, pair=i) for i in range(n) for part in range(2)]


@st.composite
def studies(draw, max_cases=200):
    """Cases in pairs and alone, in any order, and 2 to 8 arms with primary keys of any size."""
    pairs = draw(st.integers(0, max_cases // 2))
    singles = draw(st.integers(0 if pairs else 1, max_cases - 2 * pairs))
    keys = [*(p for p in range(pairs) for _ in range(2)), *range(pairs, pairs + singles)]
    order = draw(st.permutations(range(len(keys))))
    cases = [CaseRef(case=1000 + i, pair=50 + keys[i]) for i in order]
    arms = draw(st.lists(st.integers(1, 10**9), min_size=2, max_size=8, unique=True))
    return {"secret": draw(secrets), "cases": cases, "arms": arms}


@st.composite
def full_studies(draw, max_cases=200):
    """The same with repeats, practice and attention checks, sets together or singly."""
    study = draw(studies(max_cases=max_cases))
    practice = draw(st.integers(0, 5))
    return {
        **study,
        "repeats": draw(st.floats(0, 0.25)),
        "practice": [CaseRef(case=i, pair=i) for i in range(practice)],
        "checks": draw(st.integers(0, most_checks(len(study["cases"])))),
        "together": draw(st.booleans()),
    }
