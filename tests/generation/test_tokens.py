"""Access tokens: the page and the command that make and revoke them."""

import re
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse

from generation.models import AccessToken
from generation.tokens import MOST, TokenError, create_token
from tests import builders

pytestmark = pytest.mark.django_db
PAGE = "/access-tokens/"


@pytest.fixture
def alice(client):
    user = builders.a_user("alice", researcher=True)
    client.force_login(user)
    return user


def test_a_token_is_shown_once(client, alice):
    sent = {"name": "Nightly export", "scopes": ["studies:read", "results:read"], "days": 30}
    token = re.search(r"br_\w{64}", client.post(PAGE, sent).content.decode())[0]
    assert client.get("/api/v1/me/", headers={"authorization": f"Bearer {token}"}).json()[
        "scopes"
    ] == ["studies:read", "results:read"]
    page = client.get(PAGE).content.decode()
    assert "Nightly export" in page
    assert token not in page


def test_what_is_wrong_stands_at_its_field(client, alice):
    page = client.post(PAGE, {"name": "", "days": 30}).content.decode()
    assert page.count("This field is required.") == 2
    assert not AccessToken.objects.exists()


def test_a_revoked_token_opens_nothing_and_others_cannot_revoke_it(client, alice):
    made, token = create_token(user=alice, name="Lost", scopes=["data:read"], days=1)
    address = reverse("generation:token-revoke", args=[made.token_key])
    client.force_login(builders.a_user("victor", researcher=True))
    assert client.post(address).status_code == 404
    client.force_login(alice)
    assert client.get(address).status_code == 405
    assert "is revoked" in client.post(address, follow=True).content.decode()
    client.logout()
    headers = {"authorization": f"Bearer {token}"}
    assert client.get("/api/v1/me/", headers=headers).status_code == 401


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": " "}, "Give the token a name"),
        ({"scopes": []}, "No scope was chosen"),
        ({"scopes": ["studies:burn"]}, "There is no scope studies:burn; there are: data:read"),
        ({"days": 0}, "1 to 365 days, not 0"),
    ],
)
def test_a_token_that_cannot_be_says_why(alice, change, words):
    wanted = {"name": "Test", "scopes": ["data:read"], "days": 1, **change}
    with pytest.raises(TokenError, match=words):
        create_token(user=alice, **wanted)


def test_nobody_has_tokens_without_end(alice):
    for _ in range(MOST):
        create_token(user=alice, name="Test", scopes=["data:read"], days=1)
    with pytest.raises(TokenError, match="revoke one of them first"):
        create_token(user=alice, name="Test", scopes=["data:read"], days=1)


def test_the_command_prints_the_token_alone(client, alice):
    out, err = StringIO(), StringIO()
    call_command("create_token", "alice", name="Script", days=2, stdout=out, stderr=err)
    headers = {"authorization": f"Bearer {out.getvalue().strip()}"}
    client.logout()
    assert client.get("/api/v1/me/", headers=headers).json()["username"] == "alice"
    assert "good until" in err.getvalue()


def test_the_command_refuses_readers(db):
    builders.a_user("bob")
    with pytest.raises(CommandError, match="no researcher"):
        call_command("create_token", "bob", name="Script")
