"""The API as a whole: who gets in, how it says what is wrong, how it describes itself."""

from datetime import timedelta

import pytest
from django.core.cache import cache
from django.core.management import call_command
from django.utils import timezone

from generation.models import AccessToken
from generation.tokens import create_token
from tests import builders

pytestmark = pytest.mark.django_db
Scope = AccessToken.Scope


@pytest.fixture
def alice():
    return builders.a_user("alice", researcher=True)


def bearer(user, *scopes):
    """What a request with a token of theirs needs."""
    _, token = create_token(user=user, name="Test", scopes=scopes or Scope.values, days=1)
    return {"authorization": f"Bearer {token}"}


def is_problem(response, status, code):
    said = response.json()
    assert response.status_code == status, said
    assert response["Content-Type"] == "application/problem+json"
    assert said["type"] == f"urn:blindread:problem:{code}"
    assert said["status"] == status
    assert said["title"]
    assert said["detail"]
    return said


def test_the_description_builds_without_a_warning(tmp_path):
    file = tmp_path / "openapi.yaml"
    call_command("spectacular", validate=True, fail_on_warn=True, file=str(file))
    assert "openapi: 3" in file.read_text()


def test_the_description_is_open_to_everybody(client):
    paths = client.get("/api/v1/openapi.json").json()["paths"]
    reminders = paths["/api/v1/studies/{slug}/reminders/"]["post"]["responses"]
    assert {status for status in reminders if status < "300"} == {"200"}  # nothing is made
    assert client.get("/api/v1/docs/").status_code == 200


def test_a_token_opens_the_api_and_its_use_is_noted(client, alice):
    headers = bearer(alice, "studies:read", "data:read")
    answer = client.get("/api/v1/me/", headers=headers)
    assert answer.json()["username"] == "alice"
    assert answer.json()["scopes"] == ["data:read", "studies:read"]
    assert AccessToken.objects.get().last_used_at


def test_a_token_is_stored_as_a_digest_alone(alice):
    made, token = create_token(user=alice, name="Test", scopes=["data:read"], days=1)
    assert token.startswith("br_")
    stored = AccessToken.objects.filter(pk=made.pk).values().get()
    assert not any(token in str(value) for value in stored.values())


@pytest.mark.parametrize(
    "header", ["Bearer br_wrong", "Bearer", "Bearer a b", "Bearer \xe4\xff", "Bearer " + "x" * 5000]
)
def test_a_token_that_is_none_is_refused(client, header):
    answer = client.get("/api/v1/me/", headers={"authorization": header})
    is_problem(answer, 401, "authentication-failed")
    assert answer["WWW-Authenticate"] == "Bearer"


def test_a_token_that_expired_was_revoked_or_whose_owner_left_is_refused(client, alice):
    headers = bearer(alice)
    AccessToken.objects.update(expiry=timezone.now() - timedelta(seconds=1))
    is_problem(client.get("/api/v1/me/", headers=headers), 401, "authentication-failed")
    headers = bearer(alice)
    alice.is_active = False
    alice.save()
    is_problem(client.get("/api/v1/me/", headers=headers), 401, "authentication-failed")
    AccessToken.objects.all().delete()
    is_problem(client.get("/api/v1/me/", headers=headers), 401, "authentication-failed")


def test_nobody_gets_a_problem_and_no_page_to_sign_in(client):
    is_problem(client.get("/api/v1/me/"), 401, "not-authenticated")


def test_a_reader_cannot_use_the_api_nor_have_a_token(client):
    client.force_login(builders.a_user("bob"))
    is_problem(client.get("/api/v1/me/"), 403, "permission-denied")
    assert client.get("/access-tokens/").status_code == 403


def test_a_token_without_the_scope_is_refused(client, alice):
    headers = bearer(alice, "data:read")
    assert client.get("/api/v1/runs/", headers=headers).status_code == 200
    said = is_problem(
        client.post("/api/v1/runs/", {}, "application/json", headers=headers), 403, "missing-scope"
    )
    assert "data:write" in said["detail"]


def test_who_is_signed_in_needs_a_csrf_token_to_change_anything(alice):
    from django.test import Client

    browser = Client(enforce_csrf_checks=True)
    browser.force_login(alice)
    assert browser.get("/api/v1/me/").status_code == 200
    said = is_problem(
        browser.post("/api/v1/runs/", {}, "application/json"), 403, "permission-denied"
    )
    assert "CSRF" in said["detail"]


def test_what_is_wrong_is_said_field_by_field(client, alice):
    sent = {"slug": "x", "prompts": [{"prompt": "One polyp."}, {"prompt": 7, "extra": 1}]}
    answer = client.post("/api/v1/datasets/", sent, "application/json", headers=bearer(alice))
    said = is_problem(answer, 400, "invalid")
    assert {e["field"] for e in said["errors"]} == {"name", "prompts.1.extra"}


@pytest.mark.parametrize("body", ["{", '"\\ud800"', "[1]", "NaN", '{"a": ' * 2000])
def test_a_body_that_is_not_what_is_asked_for_is_refused(client, alice, body):
    answer = client.post("/api/v1/runs/", body, "application/json", headers=bearer(alice))
    assert answer.status_code == 400
    assert answer.json()["detail"]


def test_a_body_of_another_type_or_too_large_is_refused(client, alice, settings):
    headers = bearer(alice)
    answer = client.post("/api/v1/runs/", "<a/>", "text/xml", headers=headers)
    is_problem(answer, 415, "unsupported-media-type")
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 10
    answer = client.post("/api/v1/runs/", {"seed": 1234567}, "application/json", headers=headers)
    is_problem(answer, 413, "too-large")


def test_what_is_not_there_is_a_problem_too(client, alice):
    headers = bearer(alice)
    is_problem(
        client.get("/api/v1/runs/9999999999999999999999/", headers=headers), 404, "not-found"
    )
    is_problem(client.get("/api/v1/nothing/", headers=headers), 404, "not-found")
    is_problem(client.get("/api/v1/nothing/"), 404, "not-found")
    is_problem(client.delete("/api/v1/me/", headers=headers), 405, "method-not-allowed")


def test_errors_of_ours_are_told_without_their_innards(client, alice, monkeypatch, caplog):
    from generation.api.account import Account

    def fail(*_):
        raise ValueError("secret innards")

    monkeypatch.setattr(Account, "retrieve", fail)
    answer = client.get("/api/v1/me/", headers=bearer(alice))
    is_problem(answer, 500, "error")
    assert b"secret" not in answer.content
    assert "secret innards" in caplog.text


def test_too_many_requests_are_refused_for_a_while(client, alice, monkeypatch):
    from rest_framework.throttling import UserRateThrottle

    monkeypatch.setattr(UserRateThrottle, "THROTTLE_RATES", {"user": "2/min"})
    cache.clear()
    headers = bearer(alice)
    answers = [client.get("/api/v1/me/", headers=headers) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    is_problem(answers[-1], 429, "throttled")
    assert 0 < int(answers[-1]["Retry-After"]) <= 60


def test_lists_come_in_pages_of_a_bounded_size(client, alice):
    builders.a_dataset(pairs=3, images_per_pair=0)
    headers = bearer(alice)
    slug = client.get("/api/v1/datasets/", headers=headers).json()["results"][0]["slug"]
    address = f"/api/v1/datasets/{slug}/prompts/"
    page = client.get(address, {"page_size": 4}, headers=headers).json()
    assert (page["count"], len(page["results"])) == (6, 4)
    rest = client.get(page["next"], headers=headers).json()
    assert (len(rest["results"]), rest["next"]) == (2, None)
    is_problem(client.get(address, {"page": 9}, headers=headers), 404, "not-found")


def test_answers_are_in_english_whatever_is_asked_for(client, alice):
    headers = {**bearer(alice), "accept-language": "ru"}
    answer = client.post("/api/v1/datasets/", {}, "application/json", headers=headers)
    assert "This field is required." in answer.json()["detail"]
