"""Reader studies drawn at random, with known truth."""

import numpy as np
import pandas as pd


def study(
    rng: np.random.Generator,
    *,
    pairs: int = 20,
    arms: int = 3,
    readers: int = 1,
    beyond_arm: float = 0.0,
    shared: float = 1.0,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Scores and a metric with effects of prompt, arm and pair in both.

    `beyond_arm` is the correlation of what remains; `shared` the strength of the effects of arm
    and prompt, which score and metric have in common, and of the pair within an arm.
    """
    cases = 2 * pairs
    pair = np.repeat(np.arange(pairs), 2)
    arm = shared * rng.normal(size=(1, arms))
    prompt = shared * rng.normal(size=(cases, 1))
    own = rng.multivariate_normal([0, 0], [[1, beyond_arm], [beyond_arm, 1]], size=(cases, arms))
    within = rng.normal(size=(2, pairs, arms))[:, pair] * (shared if not beyond_arm else 0)
    metric = arm + prompt + within[0] + own[..., 0]
    truth = arm + prompt + within[1] + own[..., 1]
    severity, noise = rng.normal(size=(readers, 1, 1)), rng.normal(size=(readers, cases, arms))
    scores = truth + severity + (noise if readers > 1 else 0)

    def tidy(values: np.ndarray, **columns) -> pd.DataFrame:
        case, arm_index = np.indices(values.shape)
        return pd.DataFrame(
            {
                "case": case.ravel() + 1,
                "pair": pair[case.ravel()] + 1,
                "kind": np.where(case.ravel() % 2, "rephrasing", "original"),
                "arm": [f"arm{a}" for a in arm_index.ravel()],
                "value": values.ravel(),
                **columns,
            }
        )

    frames = [tidy(s, reader=f"R{i + 1}") for i, s in enumerate(scores)]
    return pd.concat(frames, ignore_index=True), tidy(metric)
