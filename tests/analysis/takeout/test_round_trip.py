"""A study taken home and brought back says the same, byte for byte."""

import zipfile

import pytest

from analysis.takeout.reading import read_study
from analysis.takeout.writing import write_study
from annotation.manifest import still_as_sealed
from annotation.record import answer_faults, faults
from tests import builders
from tests.analysis.takeout.a_study import REMARK, a_fresh_database, a_rich_study

pytestmark = pytest.mark.django_db


def files(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


# What differs from a rich study as it is: options of `a_rich_study`.
KINDS = {
    "with reports": {"reports": 2},
    "sets one by one, texts, still running": {
        "reports": 0, "closed": False, "presentation": "single", "ranking": False,
        "criteria": (*builders.a_protocol().criteria, REMARK),
    },
    "nothing hidden, no practice": {
        "reports": 0, "hidden_real": False, "practice": 0, "repeats": 0, "guess": False,
        "references_per_case": 1,
    },
}  # fmt: skip


@pytest.mark.services
@pytest.mark.parametrize("kind", KINDS)
def test_a_rich_study(tmp_path, kind):
    study = a_rich_study(**KINDS[kind])
    state = study.state
    write_study(study, tmp_path / "first.zip")
    first = files(tmp_path / "first.zip")
    a_fresh_database()
    restored = read_study(tmp_path / "first.zip", by=builders.a_user("zoe", researcher=True))
    assert (restored.state, restored.owner.username) == (state, "zoe")
    assert faults(restored) == []
    assert answer_faults(restored) == []
    assert still_as_sealed(restored)
    write_study(restored, tmp_path / "second.zip")
    second = files(tmp_path / "second.zip")
    assert set(first) == set(second)
    assert [name for name in first if first[name] != second[name]] == []
    assert (tmp_path / "first.zip").read_bytes() == (tmp_path / "second.zip").read_bytes()
