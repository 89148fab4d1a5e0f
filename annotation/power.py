"""How small a difference between two arms a design can find. PURE.

The model of one criterion: reader r's score of case k of pair p under one arm, less the same under
another, is

    d = difference + pair_p + reader_r + rest_rpk,

all effects normal and independent. The mean over P pairs of two cases and R readers has the
variance

    V = pair² / P + reader² / R + rest² / (2 P R).

It is tested by Student's t with Satterthwaite's degrees of freedom, with readers and cases both
drawn at random (Westfall, Kenny & Judd 2014, doi 10.1037/xge0000014, the fully crossed design;
Satterthwaite 1946, doi 10.2307/3002019). With fewer than 5 readers the result holds for these
readers alone, as in the report: the reader's term falls away, and P − 1 degrees are left.

The standard deviations are assumed, as shares of the scale's width. In the 160 prompts × 5 arms ×
5 readers that came with TIFA (Hu et al. 2023, doi 10.1109/ICCV51070.2023.01866) those of two
arms' differences are 0.19 (pair), 0.02 (reader) and 0.19 (rest), on average over all twos of arms.
Clinicians may differ more in which arm they like than its crowd workers did: 0.05 is assumed.
"""

import math

PAIR = 0.20
READER = 0.05
REST = 0.20
ALPHA = 0.05  # two-sided, over all comparisons together
POWER = 0.8
READERS_DRAWN = 5  # from so many readers on, the result holds for others like them
_CASES = 2  # of a pair


def smallest_difference(
    *,
    pairs: int,
    readers: int,
    arms: int = 2,
    pair: float = PAIR,
    reader: float = READER,
    rest: float = REST,
) -> float | None:
    """The difference of two arms' means that is found with a probability of 0.8.

    None where it can't be told: with one arm, one pair or no reader.

    Args:
        pairs: Prompts, each with a rephrasing.
        arms: With more than two, each comparison is tested at 0.05 over their number (Bonferroni),
            which is on the safe side of Holm's adjustment in the report.
        pair, reader, rest: Standard deviations; the result has their unit (shares of the scale's
            width, unless others are given).
    """
    from scipy.special import nctdtrinc, stdtrit  # takes a second

    if arms < 2 or pairs < 2 or readers < 1:
        return None
    of_pairs = (pair**2 + rest**2 / (_CASES * readers)) / pairs
    if readers < READERS_DRAWN:
        variance, degrees = of_pairs, float(pairs - 1)
    else:
        of_readers = (reader**2 + rest**2 / (_CASES * pairs)) / readers
        of_rest = rest**2 / (_CASES * pairs * readers)
        variance = of_pairs + of_readers - of_rest
        degrees = variance**2 / (
            of_pairs**2 / (pairs - 1)
            + of_readers**2 / (readers - 1)
            + of_rest**2 / ((pairs - 1) * (readers - 1))
        )
    critical = stdtrit(degrees, 1 - ALPHA / (arms * (arms - 1)))
    return float(nctdtrinc(degrees, 1 - POWER, critical)) * math.sqrt(variance)
