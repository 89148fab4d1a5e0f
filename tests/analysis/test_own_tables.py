"""Ratings and metrics made elsewhere: what is read, and what is refused."""

import pytest

from analysis.own.tables import Table, read_tables
from generation.datasets import DatasetError
from tests.analysis.own_tables import RATINGS, metrics, ratings


class TestTables:
    @pytest.mark.parametrize(
        ("lines", "problem"),
        [
            ((), "ratings.csv has no rows below its header."),
            (("1,a,R1,real,3,5",), "ratings.csv, line 2: 6 cells, but the header has 5"),
            (('1,a,R1,real,"3,5"',), "line 2: score is “3,5”, not a number. Write 3.5, not 3,5."),
            (("1,a,R1,real,nan",), "line 2: score is “nan”, not a number."),
            (("1,a,R1,real,",), "line 2: score is empty: leave the row out, or write n/a"),
            (("1,,R1,real,3",), "line 2: arm is empty."),
            (("1,a,R1,real,3", "1,a,R1,real,4"), "line 3: this reader's score of this arm, case"),
            (("1,a,R1,real,n/a",), "ratings.csv holds no score of real that is a number"),
            (("1,a,R1,real,3", "1,a,R1,odd,n/a"), "holds no score of odd that is a number"),
            ([f"1,arm {i},R1,real,3" for i in range(25)], "25 different values of arm; 24 are"),
        ],
    )
    def test_what_is_wrong_with_ratings_is_named_with_its_line(self, lines, problem):
        with pytest.raises(DatasetError) as refused:
            read_tables(ratings=ratings(*lines))
        assert problem in "\n".join(refused.value.problems)

    @pytest.mark.parametrize(
        ("lines", "problem"),
        [
            (("1,b,clip,3",), "metrics.csv, line 2: the ratings have no arm “b”."),
            (("2,a,clip,3",), "metrics.csv, line 2: the ratings have no case “2”."),
            (("1,a,clip,x",), "metrics.csv, line 2: value is “x”, not a number."),
            (("1,a,clip,3", "1,a,clip,3"), "line 3: this metric's value of this arm stands in"),
            (("1,a,clip,3",), "metrics.csv doesn't say which way clip is better"),
        ],
    )
    def test_what_is_wrong_with_metrics_is_named_with_its_line(self, lines, problem):
        with pytest.raises(DatasetError) as refused:
            read_tables(ratings=ratings("1,a,R1,real,3"), metrics=metrics(*lines))
        assert problem in "\n".join(refused.value.problems)

    def test_every_problem_of_every_table_is_named_at_once(self):
        with pytest.raises(DatasetError) as refused:
            read_tables(
                ratings=ratings("1,a,R1,real,x", "1,a,,real,3"),
                rankings=Table("rankings.csv", "case,arm,reader\n1,a,R1\n"),
                metrics=metrics("1,c,energy,y"),
                claims=["fid:real"],
            )
        said = "\n".join(refused.value.problems)
        assert said.count("ratings.csv, line") == 2
        assert "rankings.csv has no column rank" in said
        assert said.count("metrics.csv, line 2") == 2
        assert "The claim fid:real names no metric of the table; there are: energy." in said

    def test_a_scale_that_is_told_bounds_its_scores(self):
        head = RATINGS.strip() + ",minimum,maximum\n"
        told = Table("ratings.csv", head + "1,a,R1,real,3,1,5\n1,a,R2,real,6,1,5\n")
        with pytest.raises(DatasetError, match="line 3: the score 6 is not within 1 to 5"):
            read_tables(ratings=told)
        seen = read_tables(ratings=ratings("1,a,R1,real,3", "1,a,R2,real,4.5"))
        assert seen.scales == {"real": (3.0, 4.5)}

    def test_directions_come_from_the_column_from_known_names_or_by_default(self):
        rated = ratings("1,a,R1,real,3")
        values = metrics("1,a,lpips,3,lower", "1,a,mine,3,", "1,a,energy,3,",
                         columns="case,arm,metric,value,better\n")  # fmt: skip
        found = read_tables(ratings=rated, metrics=values, better="higher")
        assert found.better == {"lpips": "lower", "mine": "higher", "energy": "lower"}

    @pytest.mark.parametrize(
        ("content", "problem"),
        [
            (b"", "ratings.csv is empty."),
            (
                RATINGS.replace(",", ";").encode() + b"1;a;R1;real;3,5\n",
                "Its cells are divided by semicolons: save it with commas between them.",
            ),
            (RATINGS.encode() + b"1,a,R1,real,3\n1,\0a,R2,real,3\n", "line 3: holds a NUL byte"),
            (RATINGS.encode("utf-16-le"), "line 1: holds a NUL byte"),
            (RATINGS.encode("utf-16"), "line 1: byte 0xff is not UTF-8"),
            (b"score," + RATINGS.encode() + b"1,1,a,R1,real,3\n", "column score more than once"),
            (
                RATINGS.strip().encode() + b",Not applicable\n1,a,R1,real,3,yes\n",
                "has a column “Not applicable”: call it not_applicable",
            ),
            (
                RATINGS.strip().encode() + b",maximum\n1,a,R1,real,3,5\n",
                "give it the columns minimum and maximum, or neither",
            ),
            (
                RATINGS.strip().encode() + b",minimum,maximum\n1,a,R1,real,3,5,1\n",
                "line 2: the minimum 5 is not below the maximum 1.",
            ),
        ],
    )
    def test_what_spreadsheets_make_of_a_table_is_named_with_what_to_do(self, content, problem):
        with pytest.raises(DatasetError) as refused:
            read_tables(ratings=Table.of("ratings.csv", content))
        assert problem in "\n".join(refused.value.problems)

    def test_a_byte_order_mark_and_empty_rows_at_the_end_are_no_matter(self):
        content = b"\xef\xbb\xbf" + RATINGS.encode() + b"1,a,R1,real,3\r\n,,,,\r\n , ,,,\r\n"
        assert len(read_tables(ratings=Table.of("ratings.csv", content)).ratings) == 1

    @pytest.mark.parametrize(
        ("column", "name"),
        [("not-applicable", "not_applicable"), ("Notapplicable", "not_applicable"),
         ("Repeat", "repeat")],
    )  # fmt: skip
    def test_an_optional_column_is_found_however_it_is_written(self, column, name):
        table = Table("ratings.csv", f"{RATINGS.strip()},{column}\n1,a,R1,real,3,yes\n")
        with pytest.raises(DatasetError, match=f"has a column “{column}”: call it {name}"):
            read_tables(ratings=table)
        other = Table("ratings.csv", f"{RATINGS.strip()},pair2\n1,a,R1,real,3,yes\n")
        assert read_tables(ratings=other).ratings

    @pytest.mark.parametrize("n", ["-2.5", "-2", "2.5"])
    def test_n_is_a_whole_number(self, n):
        values = metrics(f"1,a,clip,3,{n}", columns="case,arm,metric,value,n\n")
        with pytest.raises(DatasetError, match=f"line 2: n is “{n}”, not a whole number of 0 or"):
            read_tables(ratings=ratings("1,a,R1,real,3"), metrics=values, better="higher")

    def test_a_name_with_an_apostrophe_before_it_and_one_without_are_not_made_one(self):
        with pytest.raises(DatasetError, match="has the arm “=a” with an apostrophe before it and"):
            read_tables(ratings=ratings("1,'=a,R1,real,3", "2,=a,R1,real,3"))
        # As a report writes the names '=a and =a.
        both = read_tables(ratings=ratings("1,''=a,R1,real,3", "1,'=a,R1,real,3"))
        assert both.distinct("arm") == ["'=a", "=a"]

    @pytest.mark.parametrize(
        ("claim", "metric", "criterion"),
        [
            (" m : real ", "m", "real"),
            ("ViT:B/32:real", "ViT:B/32", "real"),
            ("m:x:y", "m", "x:y"),
            ("ViT:B/32:x:y", "ViT:B/32", "x:y"),
        ],
    )
    def test_a_claim_is_a_metric_and_a_criterion_whose_names_may_hold_colons(
        self, claim, metric, criterion
    ):
        rated = ratings("1,a,R1,real,3", "1,a,R1,x:y,3")
        values = metrics("1,a,m,3", "1,a,ViT:B/32,3")
        found = read_tables(ratings=rated, metrics=values, better="higher", claims=[claim])
        assert found.claims == [(metric, criterion)]

    def test_a_claim_that_can_be_read_two_ways_or_none_is_refused(self):
        rated = ratings("1,a,R1,y,3", "1,a,R1,x:y,3")
        values = metrics("1,a,m,3", "1,a,m:x,3")
        with pytest.raises(DatasetError) as refused:
            read_tables(ratings=rated, metrics=values, better="higher", claims=["m:x:y", "tifa"])
        assert refused.value.problems == [
            "The claim m:x:y can be read as “m” and “x:y” or “m:x” and “y”: rename one of them.",
            "The claim “tifa” names no metric and criterion: write metric:criterion.",
        ]
