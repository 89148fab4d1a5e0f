"""The cast, and a study that runs."""

import pytest

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
