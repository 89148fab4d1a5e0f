"""Tables as a researcher brings them."""

from analysis.own.tables import Table

RATINGS = "case,arm,reader,criterion,score\n"
METRICS = "case,arm,metric,value\n"
# Two readers, two arms, eight cases.
SOME = [
    f"{case},{arm},R{reader},real,{(7 * case + len(arm) + reader) % 5}"
    for case in range(8)
    for arm in ("x", "yy")
    for reader in (1, 2)
]


def ratings(*lines):
    return Table("ratings.csv", RATINGS + "\n".join(lines) + "\n")


def metrics(*lines, columns=METRICS):
    return Table("metrics.csv", columns + "\n".join(lines) + "\n")
