"""The cast, and a study that runs."""

import pytest
from django.db import connection

from tests import builders


@pytest.fixture
def alice(db):
    return builders.a_user("alice", researcher=True)


@pytest.fixture
def bob(db):
    return builders.a_user("bob")


@pytest.fixture
def carol(db):
    return builders.a_user("carol")


@pytest.fixture
def running_study(alice, bob, carol):
    """Two pairs, three arms, two images a set; bob and carol read it."""
    return builders.a_study()


@pytest.fixture
def mallory(db):
    """Reads another study, which victor owns."""
    owner = builders.a_user("victor", researcher=True)
    builders.a_study(title="Other", owner=owner, pairs=1, readers=["mallory"])
    return builders.a_user("mallory")


@pytest.fixture
def connections_of_their_own(transactional_db):
    """For threads; not on SQLite, whose tests run in one connection's memory."""
    if connection.vendor == "sqlite":
        pytest.skip("the tests' SQLite database lives in one connection's memory")
