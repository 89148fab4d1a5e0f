"""Whoever changes a study and what belongs to it holds the study first, so that no two wait for
each other: PostgreSQL would end one of them with an error."""

import threading
import time

import pytest
from django.db import transaction

from annotation.erasure import erase_reader
from annotation.errors import StudyError
from annotation.invitations import accept, invite, renew_invitation, revoke_invitation
from annotation.links import InvitationError
from annotation.members import add_member, remove_member
from annotation.readers import pause_reader, resume_reader
from annotation.steps import hold_study
from annotation.studies import close_study
from tests import builders
from tests.at_once import at_once

pytestmark = [pytest.mark.services, pytest.mark.usefixtures("connections_of_their_own")]


def errors_of(study, *, first, then):
    """What `then` raises, asked for while `first` holds the study."""
    held = threading.Event()

    def holding():
        with transaction.atomic():
            hold_study(study.pk)
            held.set()
            time.sleep(1)  # the other one comes as far as it can
            first()

    def waiting():
        held.wait()
        then()

    return [type(error) for error in at_once([holding, waiting])]


@pytest.mark.parametrize("change", [pause_reader, resume_reader])
def test_a_closing_and_a_pause(change):
    study = builders.a_study()
    reader = study.readers.first()
    if change is resume_reader:
        pause_reader(study=study, reader=reader, by=study.owner)
    by = study.owner
    assert errors_of(
        study,
        first=lambda: close_study(study=study, by=by),
        then=lambda: change(study=study, reader=reader, by=by),
    ) == [StudyError]


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda invitation, by, dora: accept(invitation=invitation, account=lambda: dora),
         InvitationError),
        (lambda invitation, by, dora: renew_invitation(invitation=invitation, by=by), StudyError),
        (lambda invitation, by, dora: revoke_invitation(invitation=invitation, by=by), StudyError),
    ],
    ids=["accept", "renew", "revoke"],
)  # fmt: skip
def test_an_erasing_and_an_invitation_to_the_same_address(change, error):
    study = builders.a_study()
    reader = study.readers.select_related("user").first()
    reader.user.email = "bob@b.example"
    reader.user.save()
    by, dora = study.owner, builders.a_user("dora")
    invitation = invite(study=study, by=by, email="bob@b.example")
    assert errors_of(
        study,
        first=lambda: erase_reader(study=study, reader=reader, by=by),
        then=lambda: change(invitation, by, dora),
    ) == [error]


def test_another_role_for_a_member_and_their_end():
    study = builders.a_study()
    by, mona = study.owner, builders.a_user("mona", researcher=True)
    member = add_member(study=study, user=mona, role="monitor", by=by)
    assert not errors_of(
        study,
        first=lambda: add_member(study=study, user=mona, role="co-investigator", by=by),
        then=lambda: remove_member(study=study, member=member, by=by),
    )
    assert not study.members.exists()
