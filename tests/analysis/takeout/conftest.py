"""A small study that was taken home, and a database in which nothing is left of it."""

import pytest

from analysis.takeout.writing import write_study
from annotation.studies import close_study
from tests import builders
from tests.analysis.takeout.a_study import a_fresh_database


@pytest.fixture
def closed_study(db):
    study = builders.a_study(readers=["bob"], pairs=1, arms=2)
    builders.rate(builders.a_reading(study))
    close_study(study=study, by=study.owner)
    study.refresh_from_db()
    return study


@pytest.fixture
def archive(closed_study, tmp_path):
    file = tmp_path / "polyps.zip"
    write_study(closed_study, file)
    a_fresh_database()
    builders.a_user("zoe", researcher=True)
    return file
