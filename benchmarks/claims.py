"""Does each reported claim err as often as it says? Simulated studies with known truth.

.venv/bin/python -m benchmarks.claims [--studies 60] [--seed 0] [--only claims|agreement]

Scores are whole numbers from 0 to 10: arm + prompt + pair under an arm + set + reader's severity +
what a reader thinks of an arm + noise. The metrics share arm and prompt with the scores. Two
tables: how often a p is under 0.05 (or an interval leaves out 0) where there is nothing to find,
and how often an interval of 95 % holds the truth where there is. With fewer than five readers the
truth is that of these readers and other prompts, with five or more of other readers too; it is
estimated on studies of many pairs.
"""

import argparse
import time
from collections import defaultdict
from dataclasses import dataclass
from functools import cache

import numpy as np
import pandas as pd

from analysis.statistics import MIN_READERS
from analysis.statistics.agreement import intraclass, mean_kendall_w
from analysis.statistics.alpha import krippendorff_alpha
from analysis.statistics.comparison import accuracy_difference, correlation_difference
from analysis.statistics.correlation import Table, beyond_arm, table
from analysis.statistics.estimate import Estimate
from analysis.statistics.habits import order_effect, reader_habits
from analysis.statistics.kappa import reader_pairs
from analysis.statistics.means import arm_means
from analysis.statistics.mixed import mixed_model
from analysis.statistics.ordinal import ordinal_model
from analysis.statistics.preference import preference
from analysis.statistics.ranktests import arm_differences, block_means, friedman
from analysis.statistics.resampling import benjamini_hochberg, holm
from analysis.statistics.within_case import pairwise_accuracy, within_case_tau

DESIGNS = [(r, a, n) for r in (1, 2, 3, 5) for a, n in ((3, 10), (3, 20), (6, 20), (3, 40))]
RESAMPLES = 500
LEVEL = 0.05
CELLS = 12  # metrics asked of one criterion as exploration


@dataclass(frozen=True)
class Readers:
    severity: np.ndarray  # (readers, 1, 1)
    taste: np.ndarray  # (readers, 1, arms)

    @classmethod
    def drawn(cls, readers: int, arms: int, rng: np.random.Generator) -> "Readers":
        taste = 0.3 * rng.normal(size=(readers, 1, arms))
        return cls(0.8 * rng.normal(size=(readers, 1, 1)), taste)


@dataclass(frozen=True)
class Study:
    scores: pd.DataFrame
    metrics: list[pd.DataFrame]
    arms: list[str]

    @classmethod
    def drawn(
        cls, readers: Readers, *, pairs: int, rng: np.random.Generator, differ: float = 0.7,
        association: float = 0.0, metrics: int = 3,
    ) -> "Study":  # fmt: skip
        """`differ`: how far arms lie apart; `association`: r of metric and score in a set."""
        count, arms = len(readers.severity), readers.taste.shape[2]
        pair = np.repeat(np.arange(pairs), 2)
        shape = (2 * pairs, arms)
        arm, prompt = differ * np.linspace(-1, 1, arms), rng.normal(size=(2 * pairs, 1))
        under = 0.7 * rng.normal(size=(metrics + 1, pairs, arms))[:, pair]
        own = rng.normal(size=shape)
        noise = rng.normal(size=(count, *shape))
        given = 5 + arm + prompt + under[0] + own + readers.severity + readers.taste + noise
        given = np.clip(np.round(given), 0, 10)
        other = np.sqrt(1 - association**2) * rng.normal(size=(metrics, *shape))
        values = 2 * arm + prompt + under[1:] + association * own + other
        place = np.array([rng.permutation(2 * pairs) for _ in range(count)])
        frames = [
            tidy(given[r], pair, reader=f"R{r}", place=np.repeat(place[r], arms))
            for r in range(count)
        ]
        return cls(
            pd.concat(frames, ignore_index=True),
            [tidy(v, pair) for v in values],
            [f"arm{a}" for a in range(arms)],
        )

    def table(self, metric: int = 0, *, resamples: int = 1, seed: int = 0) -> Table:
        return table(
            self.scores, self.metrics[metric], arms=self.arms, resamples=resamples, seed=seed
        )


def tidy(values: np.ndarray, pair: np.ndarray, **columns) -> pd.DataFrame:
    case, arm = (index.ravel() for index in np.indices(values.shape))
    return pd.DataFrame(
        {
            "case": case,
            "pair": pair[case],
            "kind": np.where(case % 2, "rephrasing", "original"),
            "arm": [f"arm{a}" for a in arm],
            "value": values.ravel(),
            **columns,
        }
    )


def false_findings(readers: int, arms: int, pairs: int, seed: int) -> dict[str, bool]:
    """Whether each claim finds something in one study that has nothing to find."""
    rng = np.random.default_rng([seed, readers, arms, pairs, 1])
    who, options = Readers.drawn(readers, arms, rng), {"resamples": RESAMPLES, "seed": seed}
    study = Study.drawn(who, pairs=pairs, rng=rng)
    mixed = mixed_model(study.scores, study.metrics[0], arms=study.arms)
    ordinal = ordinal_model(study.scores, study.metrics[0], arms=study.arms)
    order = order_effect(study.scores, by="place", **options)
    found = false_claims(who, study, pairs=pairs, seed=seed) | {
        "mixed model: metric within": mixed.within.p <= LEVEL,
        "ordinal model: metric within": ordinal.p <= LEVEL,
        "effect of the place in order": not order.low <= 0 <= order.high,
    }
    alike = Study.drawn(who, pairs=pairs, rng=rng, association=0.5)
    two = [alike.table(i, **options) for i in range(2)]
    found["two metrics: difference of r"] = correlation_difference(*two, **options).p <= LEVEL
    found["two metrics: difference of accuracy"] = accuracy_difference(*two, **options).p <= LEVEL
    if readers > 3:
        found["any two readers agree suspiciously"] = any(
            two.suspicious for two in reader_pairs(alike.scores, **options)
        )
    # Readers' tastes are differences between arms to these readers, so they have none here.
    same = Readers(who.severity, 0 * who.taste)
    blocks = block_means(Study.drawn(same, pairs=pairs, rng=rng, differ=0).scores, arms=study.arms)
    found["arms: Friedman"] = friedman(blocks).p <= LEVEL
    found["arms: any two, Wilcoxon with Holm"] = any(
        d.p_holm <= LEVEL for d in arm_differences(blocks, arms=study.arms)
    )
    return {name: bool(value) for name, value in found.items()}


def false_claims(who: Readers, study: Study, *, pairs: int, seed: int) -> dict[str, bool]:
    """Whether claims named in advance, or cells explored in another study, find something."""
    readers, arms = len(who.severity), len(study.arms)
    rng = np.random.default_rng([seed, readers, arms, pairs, 5])
    other = Study.drawn(who, pairs=pairs, rng=rng, metrics=CELLS)
    options = {"resamples": RESAMPLES, "seed": seed}
    named, explored = (
        [beyond_arm(each.table(i, **options), **options).p for i in range(len(each.metrics))]
        for each in (study, other)
    )
    return {
        "beyond prompt and arm: r": named[0] <= LEVEL,
        "… any of three claims, Holm": min(holm(named)) <= LEVEL,
        f"… any of {CELLS} exploratory cells, Benjamini–Hochberg": (
            min(benjamini_hochberg(explored)) <= LEVEL
        ),
    }


def claims_alone(readers: int, arms: int, pairs: int, seed: int) -> dict[str, bool]:
    """The first rows of `false_findings`, of the same studies."""
    rng = np.random.default_rng([seed, readers, arms, pairs, 1])
    who = Readers.drawn(readers, arms, rng)
    return false_claims(who, Study.drawn(who, pairs=pairs, rng=rng), pairs=pairs, seed=seed)


def estimates(study: Study, *, resamples: int, seed: int) -> dict[str, Estimate]:
    """What a report gives intervals for."""
    options = {"resamples": resamples, "seed": seed}
    data, arms = study.table(**options), study.arms
    means = arm_means(study.scores, arms=arms, **options)
    ranks = study.scores.groupby(["reader", "case"])["value"].rank(ascending=False)
    ranked = study.scores.assign(rank=ranks)
    found = {
        "mean of an arm": means.mean(arms[0]),
        "difference of two arms": means.difference(arms[-1], arms[0]),
        "beyond prompt and arm: r": beyond_arm(data, **options),
        "within case: pairwise accuracy": pairwise_accuracy(data, **options).accuracy,
        "within case: τ_b": within_case_tau(data, **options),
        "preference: one arm over another": preference(ranked, arms=arms, **options).over(
            arms[-1], arms[0]
        ),
    }
    if study.scores["reader"].nunique() > 1:
        habits = reader_habits(study.scores, scale=(0, 10), **options)
        found |= agreement(study, **options) | {
            "readers: Kendall's W": mean_kendall_w(ranked, **options),
            "readers: severity of one": habits[0].severity,
        }
    return found


def agreement_alone(readers: int, arms: int, pairs: int, seed: int) -> dict[str, bool]:
    """Whether each interval of agreement holds the truth of these readers."""
    rng = np.random.default_rng([seed, readers, arms, pairs, 4])
    who = Readers.drawn(readers, arms, rng)
    study, wide = (Study.drawn(who, pairs=n, rng=rng, metrics=1) for n in (pairs, 1500))
    truth = {name: e.value for name, e in agreement(wide, resamples=1, seed=0).items()}
    found = agreement(study, resamples=RESAMPLES, seed=seed)
    return {name: bool(e.low <= truth[name] <= e.high) for name, e in found.items()}


def agreement(study: Study, *, resamples: int, seed: int) -> dict[str, Estimate]:
    options = {"resamples": resamples, "seed": seed}
    icc = intraclass(study.scores, **options)
    twos = reader_pairs(study.scores, **options)
    return {
        "readers: ICC(A,1)": icc.single,
        "readers: ICC(A,k)": icc.average,
        "readers: Krippendorff's α": krippendorff_alpha(study.scores, **options),
        "readers: κ of two": next(
            two.kappa for two in twos if {two.first, two.second} == {"R0", "R1"}
        ),
    }


# These speak of the readers at hand, however many.
OF_THESE = ("readers:",)


def coverage(readers: int, arms: int, pairs: int, seed: int, others: dict) -> dict[str, bool]:
    """Whether each interval of one study holds the truth.

    Args:
        others: The truth over all readers, where readers are resampled.
    """
    rng = np.random.default_rng([seed, readers, arms, pairs, 2])
    who = Readers.drawn(readers, arms, rng)
    study = Study.drawn(who, pairs=pairs, rng=rng, association=0.5, metrics=1)
    wide = Study.drawn(who, pairs=400, rng=rng, association=0.5, metrics=1)
    these = {name: e.value for name, e in estimates(wide, resamples=1, seed=0).items()}
    truth = these | {k: v for k, v in others.items() if not k.startswith(OF_THESE)}
    found = estimates(study, resamples=RESAMPLES, seed=seed)
    return {
        name: bool(e.low <= truth[name] <= e.high) for name, e in found.items() if e.low is not None
    }


@cache
def truth_over_readers(readers: int, arms: int, *, groups: int = 60) -> dict[str, float]:
    rng = np.random.default_rng([readers, arms, 3])
    found = defaultdict(list)
    for _ in range(groups):
        who = Readers.drawn(readers, arms, rng)
        study = Study.drawn(who, pairs=100, rng=rng, association=0.5, metrics=1)
        for name, estimate in estimates(study, resamples=1, seed=0).items():
            found[name].append(estimate.value)
    return {name: float(np.mean(values)) for name, values in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=60, help="of each design")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--only", choices=("claims", "agreement"),
        help="false findings of claims, or coverage of agreement",
    )  # fmt: skip
    options = parser.parse_args()
    start = time.monotonic()
    seeds = range(options.seed, options.seed + options.studies)
    false: dict = defaultdict(dict)
    covered: dict = defaultdict(dict)
    for design in DESIGNS:
        readers, arms, _ = design
        for seed in seeds if options.only else ():
            if options.only == "claims":
                note(claims_alone(*design, seed), false, design)
            elif readers > 1:
                note(agreement_alone(*design, seed), covered, design)
        if options.only:
            continue
        others = truth_over_readers(readers, arms) if readers >= MIN_READERS else {}
        for seed in seeds:
            note(false_findings(*design, seed), false, design)
            note(coverage(*design, seed, others), covered, design)
    print(f"{options.studies} studies of each of {len(DESIGNS)} designs, {RESAMPLES} resamples")
    if false:
        print_table("False findings, %", false)
    if covered:
        print_table("Coverage, %", covered)
    print(f"{time.monotonic() - start:.0f} s, {time.process_time():.0f} s of them on the processor")


def note(rows: dict[str, bool], found: dict, design: tuple[int, int, int]) -> None:
    for name, value in rows.items():
        found[name].setdefault(design, []).append(value)


def print_table(title: str, found: dict) -> None:
    """Rows by claim; columns pool the designs by readers, by pairs, and all."""
    columns = {f"{r} reader{'s' if r > 1 else ''}": (0, r) for r in sorted({d[0] for d in DESIGNS})}
    columns |= {f"{n} pairs": (2, n) for n in sorted({d[2] for d in DESIGNS})}
    columns |= {f"{a} arms": (1, a) for a in sorted({d[1] for d in DESIGNS})}
    print(f"\n| {title} | {' | '.join(columns)} | all | ± | studies |")
    print("|---" * (len(columns) + 4) + "|")
    for name, cells in found.items():
        shares = [
            [v for design, values in cells.items() if design[at] == which for v in values]
            for at, which in columns.values()
        ]
        every = [v for values in cells.values() for v in values]
        share = np.mean(every)
        error = np.sqrt(share * (1 - share) / len(every))
        cells_ = " | ".join(f"{100 * np.mean(s):.0f}" if s else "" for s in shares)
        print(f"| {name} | {cells_} | {100 * share:.1f} | {100 * error:.1f} | {len(every)} |")


if __name__ == "__main__":
    main()
