"""What a reader's pages make of requests that no page of ours sends: refused, logged, unchanged."""

import json
import logging
import re
import time

import pytest
from django.apps import apps
from django.test import Client
from django.urls import reverse

from annotation import reading_urls
from annotation.models import Reader, Reading, Score, Study
from annotation.readings import reading_state
from tests import builders

ANSWERS = ["score", "ranking", "comment", "flag", "activity"]
PAGES = ["", "references", "submit"]
PARTS = [part for part in [*PAGES, *ANSWERS] if part]


def address(study, part="", *more, position=1):
    name = f"annotation:reading-{part}" if part else "annotation:reading"
    return reverse(name, args=[study.slug, position, *more])


def everything():
    """All rows of the study, as they are stored."""
    models = apps.get_app_config("annotation").get_models()
    return {model: list(model.objects.order_by("pk").values()) for model in models}


def an_answer(reading, part, **changes):
    """What the page of this reading sends, all answers in one."""
    now = str(time.time_ns() // 10**6)
    page = reading.reader
    return {
        "letter": "A",
        "criterion": "clinical_realism",
        "tiers": "A|B|C",
        "token": reading.shown_images.exclude(reading_set=None).first().token,
        "reason": "artefact",
        "acts": json.dumps([{"act": "guide", "detail": {}, "sequence": int(now)}]),
        "sequence": now,
        "reader": reader_key(page),
        **({"text": "Blurred."} if part == "comment" else {"value": "7"}),
        **changes,
    }


def reader_key(reader):
    client = Client()
    client.force_login(reader.user)
    client.post(address(reader.study, "references"))
    page = client.get(address(reader.study)).content.decode()
    return re.search(r'data-reader="([^"]+)"', page)[1]


@pytest.fixture
def reading(running_study):
    return builders.a_reading(running_study, "bob")


@pytest.fixture
def answer(client, reading, bob):
    """Send what bob's page would, changed; the response."""
    client.force_login(bob)
    sent = {part: an_answer(reading, part) for part in ANSWERS}

    def send(part, **changes):
        data = {**sent[part], **changes}
        return client.post(address(reading.reader.study, part), data)

    return send


@pytest.fixture
def refused(caplog):
    """Check that a request is refused with a status and logged, and that nothing changes."""

    def check(request, status):
        before = everything()
        caplog.clear()
        with caplog.at_level(logging.WARNING, "annotation.refused"):
            response = request()
        assert response.status_code == status
        assert everything() == before
        logged = [r.getMessage() for r in caplog.records if r.name == "annotation.refused"]
        assert len(logged) == 1, logged
        assert logged[0].endswith(f": {status}")
        assert "\n" not in logged[0]
        return response

    return check


def test_this_file_tries_every_address_of_a_reading():
    names = {pattern.name for pattern in reading_urls.urlpatterns}
    readings = {name for name in names if name == "reading" or name.startswith("reading-")}
    assert readings == {"reading", "reading-image", *(f"reading-{part}" for part in PARTS)}


def test_what_the_page_sends_is_taken(answer, caplog):
    for part in ANSWERS:
        response = answer(part)
        assert response.json()["saved"] is True, (part, response.content)
    assert not [record for record in caplog.records if record.name == "annotation.refused"]


# Somebody else's


@pytest.mark.parametrize("who", ["mallory", "nobody", "alice", "former"])
def test_a_reading_is_its_reader_s_alone(client, reading, mallory, refused, who):
    study = reading.reader.study
    if who == "former":
        study.readers.filter(user__username="carol").update(state=Reader.State.REVOKED)
    data = {part: an_answer(reading, part) for part in ANSWERS}
    token = data["flag"]["token"]
    client.force_login(builders.a_user("carol" if who == "former" else who))
    for part in ANSWERS:
        refused(lambda part=part: client.post(address(study, part), data[part]), 404)
    for part in PAGES:
        refused(lambda part=part: client.get(address(study, part)), 404)
        if part:
            refused(lambda part=part: client.post(address(study, part)), 404)
    refused(lambda: client.get(address(study, "image", token)), 404)


def test_another_reader_s_tokens_and_answers_count_for_nothing(client, reading, carol, refused):
    study = reading.reader.study
    data = {part: an_answer(reading, part) for part in ANSWERS}
    carols = an_answer(builders.a_reading(study, "carol"), "flag")
    client.force_login(carol)
    token = data["flag"]["token"]
    refused(lambda: client.get(address(study, "image", token)), 404)
    refused(lambda: client.post(address(study, "flag"), {**carols, "token": token}), 400)
    for part in ANSWERS:
        refused(lambda part=part: client.post(address(study, part), data[part]), 409)


def test_a_token_of_one_case_opens_nothing_in_another(client, reading, bob, refused):
    token = reading.shown_images.first().token
    client.force_login(bob)
    assert client.get(address(reading.reader.study, "image", token)).status_code == 200
    refused(lambda: client.get(address(reading.reader.study, "image", token, position=2)), 404)


@pytest.mark.parametrize("position", [0, 5, 999, 10**10, 10**30])
def test_a_case_that_is_not_there_is_not_found(client, reading, bob, refused, position):
    client.force_login(bob)
    study = reading.reader.study
    refused(lambda: client.get(address(study, position=position)), 404)
    refused(lambda: client.post(address(study, "score", position=position)), 404)
    refused(lambda: client.get(address(study, "image", "x" * 22, position=position)), 404)


@pytest.mark.parametrize(
    "path",
    [
        "/read/polyps/-1/",
        "/read/polyps/1/image/../../2/",
        "/read/polyps/1/image/%00/",
        "/read/polyps/1/%0AWARNING%20forged%20line/",
        "/read/" + "é" * 300 + "/",
    ],
)
def test_an_address_that_nobody_made_is_not_found(client, reading, bob, refused, path):
    client.force_login(bob)
    refused(lambda: client.get(path), 404)


# What can't be an answer

WRONG = {
    "score": [
        {"value": "11"},
        {"value": "-1"},
        {"value": ""},
        {"value": "5.0"},
        {"value": "NaN"},
        {"value": "na"},
        {"value": "7\0"},
        {"value": "9" * 5000},
        {"letter": "D"},
        {"letter": "R"},
        {"letter": "a"},
        {"letter": "Ａ"},
        {"letter": "A\0"},
        {"letter": "A" * 10_000},
        {"criterion": "beauty"},
        {"criterion": "clinical_realism\0"},
        {"text": "not asked for"},
    ],
    "ranking": [
        {"tiers": ""},
        {"tiers": "A|B"},
        {"tiers": "A|B|B"},
        {"tiers": "A|B|C|R"},
        {"tiers": "A=B|C"},
        {"tiers": "A|B|C\0"},
        {"tiers": "A|B|" + "|" * 50_000},
    ],
    "comment": [{"letter": "Z"}, {"text": "nul\0"}, {"text": "x" * 2001}],
    "flag": [
        {"token": "x" * 22},
        {"token": "\0"},
        {"token": "é"},
        {"reason": "boredom"},
        {"reason": "\0"},
        {"reason": ""},
    ],
    "activity": [
        {"acts": ""},
        {"acts": "{"},
        {"acts": "[" * 100_000},
        {"acts": "[1]"},
        {"acts": '[{"act": "guide"}]'},
        {"acts": '[{"act": "sleep", "detail": {}, "sequence": 1}]'},
        {"acts": '[{"act": "guide", "detail": {"x": "\\u0000"}, "sequence": 1}]'},
        {"acts": '[{"act": "guide", "detail": {"x": NaN}, "sequence": 1.5}]'},
        {"acts": '[{"act": "guide", "detail": {}, "sequence": "1"}]'},
    ],
}
SEQUENCES = ["", "0", "-5", "1e3", "soon", "7\0", "9" * 30, str(10**15), "9" * 5000]


@pytest.mark.services
@pytest.mark.parametrize("part", WRONG)
def test_what_can_t_be_an_answer_is_refused(answer, refused, part):
    for changes in WRONG[part]:
        assert refused(lambda changes=changes: answer(part, **changes), 400).json()["error"]


@pytest.mark.parametrize("part", ["score", "ranking", "comment", "flag"])
def test_a_forged_sequence_number_is_refused(answer, refused, part):
    for sequence in SEQUENCES:
        refused(lambda sequence=sequence: answer(part, sequence=sequence), 400)


def test_the_form_without_javascript_takes_no_forged_answer_either(client, reading, bob, refused):
    client.force_login(bob)
    forged = {
        "score-A-clinical_realism": "11",
        "score-B-clinical_realism": "5\0",
        "rank-A": "1",
        "rank-B": "1",
        "rank-C": "x",
    }
    for field, value in forged.items():
        data = {"rank-A": "1", "rank-B": "2", "rank-C": "2", field: value}
        refused(lambda data=data: client.post(address(reading.reader.study, "submit"), data), 400)
    stray = {"score-D-clinical_realism": "5", "score-A-beauty": "5", "rank-R": "1"}
    before = everything()
    client.post(address(reading.reader.study, "submit"), stray)
    assert everything() == before


# The right answer at the wrong time


def test_a_replay_adds_nothing(answer):
    sequence = str(time.time_ns() // 10**6)
    for part in ("score", "ranking", "comment", "flag"):
        assert answer(part, sequence=sequence).json() == {"saved": True, "current": True}
    answer("activity")
    before = everything()
    for part in ("score", "ranking", "comment", "flag"):
        assert answer(part, sequence=sequence).json() == {"saved": True, "current": True}
    answer("activity")
    assert everything() == before


def test_a_replay_with_another_answer_is_refused(answer, refused):
    sequence = str(time.time_ns() // 10**6)
    other = {
        "score": {"value": "3"},
        "ranking": {"tiers": "C|B|A"},
        "comment": {"text": "Sharp."},
        "flag": {"reason": "other"},
    }
    for part in other:
        answer(part, sequence=sequence)
    for part, change in other.items():
        refused(lambda part=part, c=change: answer(part, sequence=sequence, **c), 400)


def test_an_old_sequence_number_overwrites_nothing(answer, reading):
    answer("score", value="9")
    assert answer("score", value="2", sequence="1").json() == {"saved": True, "current": False}
    assert reading_state(reading)["scores"]["A"] == {"clinical_realism": 9}


@pytest.mark.parametrize("state", [Study.State.SEALED, Study.State.CLOSED, Study.State.UNBLINDED])
def test_a_study_that_does_not_run_takes_no_answer(answer, reading, client, refused, state):
    study = reading.reader.study
    Study.objects.filter(pk=study.pk).update(state=state)
    for part in ANSWERS:
        refused(lambda part=part: answer(part), 404)
    for part in ("references", "submit"):
        refused(lambda part=part: client.post(address(study, part)), 404)


def test_a_reader_whose_part_has_ended_gives_no_answer(answer, reading, refused):
    reading.reader.study.readers.update(state=Reader.State.REVOKED)
    for part in ANSWERS:
        refused(lambda part=part: answer(part), 404)


def test_a_reading_handed_in_keeps_what_was_given_as_a_revision(answer, reading):
    """Readers may come back to a case until the study is closed; nothing is overwritten."""
    builders.rate(reading)
    rows = list(Score.objects.values_list("pk", "value"))
    answer("score", value="1")
    assert list(Score.objects.values_list("pk", "value"))[: len(rows)] == rows
    assert Score.objects.count() == len(rows) + 1
    submitted = Reading.objects.get(pk=reading.pk).submitted_at
    assert submitted == reading.submitted_at


def test_nobody_reads_before_they_have_consented(client, bob, refused):
    study = builders.a_study(
        protocol=builders.a_protocol(consent="You agree.", consent_version="1")
    )
    reading = builders.a_reading(study, "bob")
    token = reading.shown_images.first().token
    client.force_login(bob)
    before = everything()
    assert client.get(address(study)).url == reverse("annotation:consent", args=[study.slug])
    assert everything() == before
    refused(lambda: client.get(address(study, "image", token)), 404)
    for part in ANSWERS:
        refused(lambda part=part: client.post(address(study, part), {"letter": "A"}), 404)


# The wrong way


def test_wrong_methods_are_refused(client, reading, bob, refused):
    client.force_login(bob)
    study, token = reading.reader.study, reading.shown_images.first().token
    for part in ANSWERS:
        for method in (client.get, client.put, client.delete, client.patch):
            refused(lambda part=part, method=method: method(address(study, part)), 405)
    for method in (client.post, client.put, client.delete):
        refused(lambda method=method: method(address(study)), 405)
        refused(lambda method=method: method(address(study, "image", token)), 405)


def test_bodies_that_are_huge_or_broken_are_refused(answer, client, reading, refused, settings):
    study = reading.reader.study
    score = address(study, "score")
    refused(lambda: answer("comment", text="x" * (settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1)), 400)
    refused(lambda: client.post(score, {f"field-{i}": "1" for i in range(2000)}), 400)
    broken = "multipart/form-data; boundary=" + "x" * 300
    refused(lambda: client.post(score, b"--x\r\n", content_type=broken), 400)
    refused(lambda: client.post(score, b"{}", content_type="application/json"), 409)
    refused(lambda: client.post(score, b"\xff\xfe\0", "application/x-www-form-urlencoded"), 409)


def test_a_form_on_another_site_gives_no_answer(reading, bob, refused):
    client = Client(enforce_csrf_checks=True)
    client.force_login(bob)
    for part in (*ANSWERS, "submit", "references"):
        data = an_answer(reading, part)
        refused(lambda p=part, d=data: client.post(address(reading.reader.study, p), d), 403)


def test_strangers_are_sent_to_the_sign_in(client, reading):
    before = everything()
    for part in PARTS:
        response = client.post(address(reading.reader.study, part), {"letter": "A"})
        assert response.url.startswith(reverse("login"))
    assert everything() == before
