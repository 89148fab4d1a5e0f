"""Did blinding hold? What readers guessed about arms against what they were.

Bang, Ni & Davis (2004, doi 10.1016/j.cct.2003.10.016), for any number of possible answers.
"""

import numpy as np
import pandas as pd
from scipy.stats import t

from analysis.statistics import MIN_READERS
from analysis.statistics.estimate import Estimate, not_estimable


def blinding_index(guesses: pd.DataFrame, *, choices: int) -> Estimate:
    """Share of right guesses less what guessing would bring; don't-knows count as neither.

    0 is what blind readers reach, 1 that all were right; below 0, guesses were misled. The mean
    over readers of each one's own index; the interval is Student's over readers, not pairs.

    Args:
        guesses: Of one arm, or of all: columns reader, right (True, False, None for don't know).
        choices: How many answers there were beside don't know: 2 or more.

    Raises:
        ValueError: Fewer than 2 choices.
    """
    if choices < 2:
        raise ValueError("guessing needs at least two choices")
    if guesses.empty:
        return not_estimable("nobody was asked")
    worth = guesses["right"].map({True: 1.0, False: -1 / (choices - 1)}).fillna(0.0).astype(float)
    own = worth.groupby(guesses["reader"]).mean().to_numpy()
    value, readers = float(own.mean()), len(own)
    if readers < MIN_READERS:
        reason = f"no interval: {readers} readers, {MIN_READERS} are needed"
        return Estimate(value, n=len(guesses), reason=reason)
    half = t.ppf(0.975, readers - 1) * own.std(ddof=1) / np.sqrt(readers)
    return Estimate(value, float(value - half), float(value + half), n=len(guesses))
