"""Ratings and metric values made elsewhere, read from CSV; refused as a whole, every problem named.

ratings
    case, arm, reader, criterion, score; and where there is more to say: pair, kind, repeat, letter,
    position, not_applicable, minimum and maximum of the criterion's scale
rankings
    case, arm, reader, rank; a lower rank is better
metrics
    case, arm, metric, value; case empty for a whole arm; and better, n
"""

import hashlib
import math
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn, Self

from analysis.cells import original
from analysis.metrics import METRICS
from analysis.metrics.registry import DIRECTIONS
from annotation.protocols import REFERENCES
from generation.datasets import DatasetError
from generation.datasets.tables import decoded, read_rows

REQUIRED = {
    "ratings": ("case", "arm", "reader", "criterion", "score"),
    "rankings": ("case", "arm", "reader", "rank"),
    "metrics": ("case", "arm", "metric", "value"),
}
KINDS = ("original", "rephrasing")
OPTIONAL = {
    "ratings": (
        "pair", "kind", "repeat", "letter", "position", "not_applicable", "minimum", "maximum",
    ),
    "rankings": (),
    "metrics": ("better", "n"),
}  # fmt: skip
NAMES = ("case", "pair", "arm", "reader", "criterion", "metric")
# What pages and figures still show.
MOST = {"arm": 24, "reader": 60, "criterion": 24, "metric": 60}
SHOWN = 200  # problems
NAMED = 10  # names in one of them
LONGEST = 80  # characters of a name
MOST_BYTES = 20_000_000  # of a table
YES, NO = ("true", "yes", "1"), ("", "false", "no", "0")
NOT_APPLICABLE = ("n/a", "na", "not applicable")
Row = dict[str, Any]


@dataclass(frozen=True)
class Table:
    """A CSV file as it came, in UTF-8."""

    name: str
    text: str

    @classmethod
    def of(cls, name: str, content: bytes) -> Self:
        """Raises DatasetError where it is too long, or not UTF-8."""
        if len(content) > MOST_BYTES:
            _refuse(f"{name} has {len(content):,} bytes; {MOST_BYTES:,} are the most.")
        return cls(name, decoded(content, name))

    def read_bytes(self) -> bytes:
        return self.text.encode()

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.read_bytes()).hexdigest()


@dataclass(frozen=True)
class OwnTables:
    """Rows of the tables, typed; a score of None is not applicable, a case of None a whole arm.

    Attributes:
        ratings: case, pair, kind, arm, reader, criterion, score, repeat; letter and position where
            they were given.
        rankings: case, arm, reader, rank.
        metrics: case, arm, metric, value, n.
        scales: Minimum and maximum of each criterion, told or else seen.
        scaled: Whether they were told.
        better: Of each metric, one of `DIRECTIONS`.
        claims: Metric and criterion of each.
    """

    ratings: Sequence[Row]
    rankings: Sequence[Row]
    metrics: Sequence[Row]
    scales: Mapping[str, tuple[float, float]]
    scaled: bool
    better: Mapping[str, str]
    claims: Sequence[tuple[str, str]]

    def distinct(self, column: str) -> list[str]:
        """What a column of the ratings holds, in the order in which it first does."""
        return list(dict.fromkeys(row[column] for row in self.ratings))


def read_tables(
    *,
    ratings: Table,
    rankings: Table | None = None,
    metrics: Table | None = None,
    better: str = "",
    claims: Sequence[str] = (),
) -> OwnTables:
    """Read and check all of it.

    Args:
        better: Of metrics whose table doesn't say it and that are not known here.
        claims: “metric:criterion” of each that was named in advance, before anyone looked.

    Raises:
        DatasetError: with every problem found.
    """
    problems: list[str] = []
    rated = _Checked(ratings, "ratings", problems)
    scores = [row for line, cells in rated for row in [_score(rated, line, cells)]]
    _check_ratings(rated, scores)
    known = {column: {row[column] for row in scores} for column in ("case", "arm", "reader")}
    ranks = _rankings(_Checked(rankings, "rankings", problems), known) if rankings else []
    values: list[Row] = []
    directions: dict[str, str] = {}
    if metrics:
        read = _Checked(metrics, "metrics", problems)
        values = _metrics(read, known)
        directions = _directions(read, values, better)
    scales = _scales(rated, scores)
    named = _claims(claims, scales, directions, problems)
    if problems:
        raise DatasetError(problems)
    return OwnTables(scores, ranks, values, scales, rated.has("minimum"), directions, named)


class _Checked:
    """The rows of a table, with problems noted as they are met."""

    def __init__(self, table: Table, kind: str, problems: list[str]) -> None:
        self.table, self.problems = table, problems
        self.rows: list[tuple[int, Row]] = []
        try:
            read = list(read_rows(table, required=set(REQUIRED[kind])))
        except DatasetError as error:
            problems += error.problems
            return
        # Tables of a report come back: their names without what kept spreadsheets quiet.
        self.rows = [
            (line, {column: original(cell) for column, cell in cells.items()})
            for line, cells in read
        ]
        if not self.rows:
            problems.append(f"{table.name} has no rows below its header.")
        columns = list(self.rows[0][1]) if self.rows else []
        # Passed over, it would change the numbers without a word.
        problems += [
            f"{table.name} has a column “{column}”: call it {name}, or something else if it is "
            "another thing."
            for column in columns
            for name in OPTIONAL[kind]
            if column != name and _letters(column) == _letters(name)
        ]
        # So would two names that are read as one.
        problems += [
            f"{table.name} has the {column} “{name}” with an apostrophe before it and without: "
            "write it one way, or give one of them another name."
            for column in columns
            if column in NAMES
            for name, ways in Counter(
                original(cell) for cell in {cells[column] for _, cells in read}
            ).items()
            if ways > 1
        ]

    def __iter__(self) -> Iterator[tuple[int, Row]]:
        return iter(self.rows)

    def has(self, column: str) -> bool:
        return bool(self.rows) and column in self.rows[0][1]

    def wrong(self, line: int, what: str) -> None:
        self.problems.append(f"{self.table.name}, line {line}: {what}")

    def named(self, line: int, cells: Row, column: str) -> str:
        """A name, which can't be empty or endless."""
        if not cells[column]:
            self.wrong(line, f"{column} is empty.")
        elif len(cells[column]) > LONGEST:
            self.wrong(line, f"{column} has more than {LONGEST} characters.")
        return str(cells[column])

    def number(self, line: int, cells: Row, column: str) -> float:
        """A finite number; 0 where there is none, for which a problem then stands."""
        text = cells[column]
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if math.isfinite(value):
            return value
        advice = " Write 3.5, not 3,5." if "," in text else ""
        self.wrong(line, f"{column} is {f'“{text}”' if text else 'empty'}, not a number.{advice}")
        return 0.0

    def count(self, line: int, cells: Row, column: str) -> int:
        """A whole number, 0 or more; 0 too where none is given."""
        if not cells.get(column):
            return 0
        value = self.number(line, cells, column)
        if value >= 0 and value.is_integer():
            return int(value)
        self.wrong(line, f"{column} is “{cells[column]}”, not a whole number of 0 or more.")
        return 0

    def flag(self, line: int, cells: Row, column: str) -> bool:
        text = cells.get(column, "").lower()
        if text not in YES + NO:
            self.wrong(line, f"{column} is “{text}”; say yes or no.")
        return text in YES

    def once(self, key: Callable[[Row], tuple], rows: Sequence[Row], what: str) -> None:
        """Each of them stands once."""
        first: dict[tuple, int] = {}
        for (line, _), row in zip(self.rows, rows, strict=True):
            if (seen := first.setdefault(key(row), line)) != line:
                self.wrong(line, f"{what} stands in line {seen} already.")


def _score(table: _Checked, line: int, cells: Row) -> Row:
    row: Row = {column: table.named(line, cells, column) for column in REQUIRED["ratings"][:4]}
    beside = table.flag(line, cells, "not_applicable")
    if beside or cells["score"].lower() in NOT_APPLICABLE:
        row["score"] = None
    elif not cells["score"]:
        table.wrong(line, "score is empty: leave the row out, or write n/a if not applicable.")
        row["score"] = None
    else:
        row["score"] = table.number(line, cells, "score")
    row["pair"] = cells.get("pair") or row["case"]
    row["kind"] = cells.get("kind") or KINDS[0]
    if row["kind"] not in KINDS:
        table.wrong(line, f"kind is “{row['kind']}”; say {' or '.join(KINDS)}.")
    row["repeat"] = table.flag(line, cells, "repeat")
    if table.has("letter"):
        row["letter"] = cells["letter"].upper()
        if not (len(row["letter"]) == 1 and "A" <= row["letter"] <= "Z"):
            table.wrong(line, f"letter is “{cells['letter']}”; A is the first place on the page.")
    if table.has("position"):
        row["position"] = table.number(line, cells, "position")
    return row


def _check_ratings(table: _Checked, rows: Sequence[Row]) -> None:
    for column, most in MOST.items():
        if column != "metric" and (found := len({row[column] for row in rows})) > most:
            table.problems.append(
                f"{table.table.name} has {found} different values of {column}; {most} are the most."
            )
    table.once(
        lambda row: tuple(row[c] for c in ("reader", "case", "arm", "criterion", "repeat")),
        rows,
        "this reader's score of this arm, case and criterion",
    )
    first: dict[tuple, Any] = {}
    for (line, _), row in zip(table.rows, rows, strict=True):
        seen = first.setdefault((row["case"],), (row["pair"], row["kind"]))
        if seen != (row["pair"], row["kind"]):
            table.wrong(line, f"case {row['case']} is in pair {seen[0]} ({seen[1]}) further up.")
            first[row["case"],] = (row["pair"], row["kind"])


def _scales(table: _Checked, rows: Sequence[Row]) -> dict[str, tuple[float, float]]:
    """By criterion the ends of its scale: those that the table says, else those that it reaches."""
    scales: dict[str, tuple[float, float]] = {}
    given = table.has("minimum") and table.has("maximum")
    if table.has("minimum") != table.has("maximum"):
        table.problems.append(
            f"{table.table.name} names one end of the scales: give it the columns minimum and "
            "maximum, or neither."
        )
        return scales
    for (line, cells), row in zip(table.rows, rows, strict=True):
        if row["score"] is None and not given:
            continue
        low, high = (
            (table.number(line, cells, "minimum"), table.number(line, cells, "maximum"))
            if given
            else (row["score"], row["score"])
        )
        seen = scales.setdefault(row["criterion"], (low, high))
        if not given:
            scales[row["criterion"]] = min(seen[0], low), max(seen[1], high)
        elif not seen[0] < seen[1]:
            table.wrong(line, f"the minimum {low:g} is not below the maximum {high:g}.")
        elif seen != (low, high):
            table.wrong(line, f"the scale of {row['criterion']} is {_span(*seen)} further up.")
        elif row["score"] is not None and not low <= row["score"] <= high:
            table.wrong(line, f"the score {row['score']:g} is not within {_span(low, high)}.")
    table.problems.extend(
        f"{table.table.name} holds no score of {criterion} that is a number: leave its rows out."
        for criterion in dict.fromkeys(row["criterion"] for row in rows)
        if criterion not in {row["criterion"] for row in rows if row["score"] is not None}
    )
    return scales


def _span(low: float, high: float) -> str:
    return f"{low:g} to {high:g}"


def _rankings(table: _Checked, known: Mapping[str, set[str]]) -> list[Row]:
    rows = []
    for line, cells in table:
        row: Row = {
            column: table.named(line, cells, column) for column in ("case", "arm", "reader")
        }
        row["rank"] = table.number(line, cells, "rank")
        _check_known(table, line, row, known, also=(REFERENCES,))
        rows.append(row)
    table.once(
        lambda row: (row["reader"], row["case"], row["arm"]), rows, "this reader's rank of this arm"
    )
    return rows


def _check_known(
    table: _Checked, line: int, row: Row, known: Mapping[str, set[str]], also: tuple[str, ...] = ()
) -> None:
    for column in ("case", "arm"):
        if row[column] and row[column] not in known[column] and row[column] not in also:
            table.wrong(line, f"the ratings have no {column} “{row[column]}”.")


def _metrics(table: _Checked, known: Mapping[str, set[str]]) -> list[Row]:
    rows = []
    for line, cells in table:
        row: Row = {column: table.named(line, cells, column) for column in ("arm", "metric")}
        row["case"] = cells["case"] or None
        row["value"] = table.number(line, cells, "value")
        row["n"] = table.count(line, cells, "n")
        _check_known(table, line, row, known)
        rows.append(row)
    table.once(
        lambda row: (row["metric"], row["case"], row["arm"]),
        rows,
        "this metric's value of this arm",
    )
    if (found := len({row["metric"] for row in rows})) > MOST["metric"]:
        table.problems.append(
            f"{table.table.name} has {found} metrics; {MOST['metric']} are the most."
        )
    return rows


def _directions(table: _Checked, rows: Sequence[Row], default: str) -> dict[str, str]:
    """Which way each metric is better: by its column, as it is known here, or by default."""
    if default and default not in DIRECTIONS:
        _refuse(f"better is one of {', '.join(DIRECTIONS)}, not “{default}”.")
    found: dict[str, str] = {}
    for (line, cells), row in zip(table.rows, rows, strict=True):
        said = cells.get("better", "").lower()
        if not said:
            continue
        if said not in DIRECTIONS:
            table.wrong(line, f"better is “{said}”; say {', '.join(DIRECTIONS)}.")
        elif found.setdefault(row["metric"], said) != said:
            table.wrong(line, f"better of {row['metric']} is “{found[row['metric']]}” further up.")
    silent = []
    for metric in dict.fromkeys(row["metric"] for row in rows):
        if metric not in found:
            found[metric] = METRICS[metric].better if metric in METRICS else default
            silent += [] if found[metric] else [metric]
    if silent:
        table.problems.append(
            f"{table.table.name} doesn't say which way {_some(silent)} "
            f"{'is' if len(silent) == 1 else 'are'} better: add a column better "
            f"({', '.join(DIRECTIONS)}), or say it for all that lack it."
        )
    return found


def _letters(column: str) -> str:
    """The name of a column without case, blanks and marks."""
    return "".join(filter(str.isalnum, column.lower()))


def _some(names: Collection[str]) -> str:
    more = len(names) - NAMED
    return ", ".join(list(names)[:NAMED]) + (f" and {more} more" if more > 0 else "")


def _claims(
    texts: Sequence[str],
    criteria: Collection[str],
    better: Mapping[str, str],
    problems: list[str],
) -> list[tuple[str, str]]:
    """Metric and criterion of each; what is wrong with them goes to the problems."""
    claims = []
    for text in texts:
        parts = text.split(":")
        ways = [
            (metric, criterion)
            for i in range(1, len(parts))
            if (metric := ":".join(parts[:i]).strip())
            and (criterion := ":".join(parts[i:]).strip())
        ]
        # Names of both may hold colons.
        known = [way for way in ways if way[0] in better and way[1] in criteria]
        if not ways:
            problems.append(
                f"The claim “{text}” names no metric and criterion: write metric:criterion."
            )
        elif len(known) > 1:
            read = " or ".join(f"“{metric}” and “{criterion}”" for metric, criterion in known)
            problems.append(f"The claim {text} can be read as {read}: rename one of them.")
        else:
            claims.append((known or ways)[-1])
            problems += _claim_problems(*claims[-1], criteria, better)
    twice = [claim for claim, count in Counter(claims).items() if count > 1]
    problems += [f"The claim {metric}:{criterion} is made twice." for metric, criterion in twice]
    return claims


def _claim_problems(
    metric: str, criterion: str, criteria: Collection[str], better: Mapping[str, str]
) -> list[str]:
    problems = []
    claim = f"The claim {metric}:{criterion}"
    if metric not in better:
        there = _some(better) or "none"
        problems.append(f"{claim} names no metric of the table; there are: {there}.")
    elif better[metric] == "neither":
        problems.append(f"{claim} expects nothing, since neither way of {metric} is better.")
    if criterion not in criteria:
        problems.append(
            f"{claim} names no criterion of the ratings; there are: {', '.join(criteria)}."
        )
    return problems


def listed(problems: Sequence[str]) -> list[str]:
    """Those that are shown; more are only counted."""
    more = len(problems) - SHOWN
    return [*problems[:SHOWN], *([f"… and {more:,} more."] if more > 0 else [])]


def _refuse(problem: str) -> NoReturn:
    raise DatasetError([problem])
