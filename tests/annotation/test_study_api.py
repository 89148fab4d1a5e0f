"""Studies, their readers and protocols by the API."""

import pytest
from django.contrib.auth.models import User
from django.core import mail

from annotation.models import Reader, SavedProtocol, Study
from annotation.studies import close_study, unblind_study
from generation.tokens import create_token
from tests import builders

pytestmark = pytest.mark.django_db
State = Study.State


@pytest.fixture
def ask(client, alice):
    """Send JSON as alice's program; the status and what is answered."""
    _, token = create_token(
        user=alice, name="Test", scopes=["studies:read", "studies:write"], days=1
    )

    def send(method, address, body=None, **query):
        headers = {"authorization": f"Bearer {token}"}
        where = f"/api/v1/{address}"
        if method == "get":
            answer = client.get(where, query, headers=headers)
        else:
            answer = getattr(client, method)(where, body, "application/json", headers=headers)
        return answer.status_code, answer.json() if answer.content else None

    return send


@pytest.fixture
def wishes(alice):
    """What the smallest study is made of."""
    dataset = builders.a_dataset(pairs=3, images_per_pair=8)
    generators = [builders.a_generator(trained_on=None) for _ in range(2)]
    return {
        "title": "Polyps by program",
        "prompts": dataset.slug,
        "pairs": 2,
        "references": f"{dataset.slug}:test",
        "generators": [generator.slug for generator in generators],
        "seed": 7,
    }


def test_a_study_is_made_as_the_page_makes_it(ask, wishes, alice):
    status, made = ask("post", "studies/", wishes)
    assert status == 201, made
    assert (made["state"], made["role"], made["cases"], made["seed"]) == ("draft", "owner", 4, 7)
    study = Study.objects.get(slug=made["slug"])
    assert study.owner == alice
    assert [arm.generator.slug for arm in study.arms.all()] == wishes["generators"]


def test_what_is_sent_twice_under_one_key_makes_one_study(ask, wishes):
    wishes["form_key"] = "0b7e1f52-6f0e-4f62-9e86-6a5ed2f6b9a4"
    first, second = ask("post", "studies/", wishes), ask("post", "studies/", wishes)
    assert first[1]["slug"] == second[1]["slug"]
    assert Study.objects.count() == 1


@pytest.mark.parametrize(
    ("change", "field", "words"),
    [
        ({"title": "About Zanzibar model 1"}, "", "names the generator"),
        ({"generators": ["nothing"]}, "generators", "nothing"),
        ({"references": "nothing:test"}, "references", "not one of the available choices"),
        ({"protocol": "preset:nothing"}, "protocol", "not one of the available choices"),
        ({"pairs": 99}, "pairs", "has 3 prompts with a rephrasing"),
        ({"pairs": "2"}, "pairs", "A valid integer is required."),
        ({"seeds": 3}, "seeds", "There is no such field"),
    ],
)
def test_what_is_wrong_with_a_study_stands_at_its_field(ask, wishes, change, field, words):
    if "title" in change:
        change = {"title": f"About {wishes['generators'][0].replace('-', ' ')}"}
    status, said = ask("post", "studies/", {**wishes, **change})
    assert status == 400
    assert [(e["field"], words in e["detail"]) for e in said["errors"]] == [(field, True)]
    assert not Study.objects.exists()


def test_an_estimate_makes_nothing(ask, wishes):
    status, said = ask("post", "study-estimates/", {**wishes, "readers": 4})
    assert status == 200, said
    assert (said["arms"], said["pairs"], said["readers"]) == (2, 2, 4)
    assert said["untimed"] == sorted(wishes["generators"])
    assert not Study.objects.exists()


def test_a_copy_has_the_same_choices_but_those_that_are_sent(ask, wishes):
    slug = ask("post", "studies/", wishes)[1]["slug"]
    status, copy = ask("post", f"studies/{slug}/copies/", {"title": "Again", "seed": 8})
    assert status == 201, copy
    assert (copy["title"], copy["seed"], copy["cases"]) == ("Again", 8, 4)


def test_a_study_goes_all_its_steps_by_program(ask, wishes, bob):
    slug = ask("post", "studies/", wishes)[1]["slug"]
    status, said = ask("post", f"studies/{slug}/steps/", {"act": "seal"})
    assert status == 409
    assert said["type"] == "urn:blindread:problem:refused"
    assert "must be checked" in said["detail"]
    study = Study.objects.get(slug=slug)
    builders.complete_sets(study)
    assert ask("post", f"studies/{slug}/steps/", {"act": "check"})[1]["state"] == "checked"
    assert ask("post", f"studies/{slug}/steps/", {"act": "seal"})[1]["state"] == "sealed"
    assert ask("post", f"studies/{slug}/readers/", {"username": "bob"})[0] == 201
    assert ask("post", f"studies/{slug}/steps/", {"act": "open"})[0] == 200
    audit = ask("get", f"studies/{slug}/audits/")[1]["results"][0]
    assert (audit["status"], audit["opens"]) == ("queued", True)
    record = ask("get", f"studies/{slug}/record/")[1]["results"]
    assert [event["act"] for event in record] == ["create", "check", "seal", "add reader"]
    assert record[-1]["words"] == "added bob as reader R1"
    assert ask("get", f"studies/{slug}/record/check/")[1]["whole"] is True


def test_unblinding_needs_a_reason_that_stays_on_record(ask, running_study):
    address = f"studies/{running_study.slug}/steps/"
    status, said = ask("post", address, {"act": "unblind"})
    assert (status, said["errors"][0]["field"]) == (400, "reason")
    status, said = ask("post", address, {"act": "unblind", "reason": "The board asks."})
    assert (status, said["results_visible"]) == (200, True)
    assert running_study.events.last().told["reason"] == "The board asks."


def test_cases_show_their_prompt_references_and_sets(ask, running_study):
    page = ask("get", f"studies/{running_study.slug}/cases/")[1]
    case = page["results"][0]
    assert page["count"] == 4
    assert len(case["references"]) == 2
    assert [(shown["arm"], len(shown["images"])) for shown in case["sets"]] == [
        (1, 2), (2, 2), (3, 2),
    ]  # fmt: skip
    assert case == ask("get", f"studies/{running_study.slug}/cases/{case['position']}/")[1]


def test_the_balance_is_that_of_the_page(ask, running_study):
    status, said = ask("get", f"studies/{running_study.slug}/balance/", readers=3)
    assert (status, said["readers"], said["even"]) == (200, 3, True)
    assert sum(place["total"] for place in said["places"]) == 3 * 4 * 3
    status, said = ask("get", f"studies/{running_study.slug}/balance/", readers="many")
    assert (status, said["errors"][0]["field"]) == (400, "readers")


def test_readers_are_listed_with_how_far_they_are_and_their_part_can_end(ask, running_study):
    builders.rate(builders.a_reading(running_study, "bob"))
    rows = ask("get", f"studies/{running_study.slug}/readers/")[1]["results"]
    assert [(r["pseudonym"], r["username"], r["readings_submitted"]) for r in rows] == [
        ("R1", "bob", 1), ("R2", "carol", 0),
    ]  # fmt: skip
    address = f"studies/{running_study.slug}/readers/2/revoke/"
    status, row = ask("post", address, {"reason": "Moved away."})
    assert (status, row["state"]) == (200, Reader.State.REVOKED)
    assert ask("post", address, {"reason": "Moved away."})[0] == 409


def test_a_monitor_sees_pseudonyms_and_nothing_that_tells_an_arm(client, running_study):
    monitor = builders.a_user("moira", researcher=True)
    running_study.members.create(user=monitor, role="monitor")
    client.force_login(monitor)
    here = f"/api/v1/studies/{running_study.slug}/"
    rows = client.get(f"{here}readers/").json()["results"]
    assert [(row["pseudonym"], row["username"]) for row in rows] == [("R1", None), ("R2", None)]
    unblind_study(study=running_study, by=running_study.owner, reason="Fern is far worse.")
    record = client.get(f"{here}record/").content.decode()
    assert "unblinded the study" in record
    assert "Fern" not in record
    assert "bob" not in client.get(f"{here}monitoring/").content.decode()


def test_a_reader_is_paused_watched_and_reminded(ask, running_study):
    here = f"studies/{running_study.slug}"
    bob = running_study.readers.get(number=1).user
    bob.email = "bob@example.org"
    bob.save()
    assert ask("post", f"{here}/readers/2/pause/")[1]["paused_at"]
    assert ask("post", f"{here}/readers/2/pause/")[0] == 409
    assert ask("post", f"{here}/readers/2/resume/")[1]["paused_at"] is None
    builders.rate(builders.a_reading(running_study, "bob"))
    rows = ask("get", f"{here}/monitoring/")[1]["results"]
    assert [row["readings_submitted"] for row in rows] == [1, 0]
    status, said = ask("post", f"{here}/reminders/", {"readers": [1, 2]})
    assert (status, said["asked"]) == (200, ["R1", "R2"])
    assert [problem[:2] for problem in said["problems"]] == ["R2"]  # without an address
    assert mail.outbox[0].to == ["bob@example.org"]
    assert ask("post", f"{here}/readers/1/signs/same/", {"note": "Asked."})[0] == 409


@pytest.mark.parametrize(
    ("sent", "field", "said"),
    [
        ({"readers": [1, 9]}, "readers", "Reader 9 can't be reminded"),
        ({"readers": [1, 2]}, "readers", "Reader 2 can't be reminded"),  # is paused
        ({"readers": [1], "texts": {"enn": "Go on."}}, "texts", "No language “enn”"),
    ],
)
def test_a_reminder_that_names_nobody_or_no_language_is_not_sent(
    ask, running_study, sent, field, said
):
    here = f"studies/{running_study.slug}"
    ask("post", f"{here}/readers/2/pause/")
    User.objects.update(email="somebody@example.org")
    status, problem = ask("post", f"{here}/reminders/", sent)
    assert status == 400
    assert problem["errors"][0]["field"] == field
    assert said in problem["errors"][0]["detail"]
    assert mail.outbox == []


def test_of_a_closed_study_a_reminder_is_refused_for_being_closed(ask, running_study):
    here = f"studies/{running_study.slug}"
    close_study(study=running_study, by=running_study.owner)
    status, problem = ask("post", f"{here}/reminders/", {"readers": [1]})
    assert status == 409
    assert "it is closed, and must be running" in problem["detail"]


@pytest.mark.parametrize("list_of", ["readers", "monitoring", "cases", "members"])
def test_lists_under_a_study_refuse_what_they_know_no_filter_for(ask, running_study, list_of):
    address = f"studies/{running_study.slug}/{list_of}/"
    assert ask("get", address, page_size=1)[0] == 200
    status, problem = ask("get", address, stat="done")
    assert status == 400
    assert "no such filter; there are: page, page_size" in problem["detail"]
    assert ask("get", address, page="last")[0] == 400


@pytest.mark.parametrize("number", ["7.9", "1e400", "true", '"7"', "1" + 30 * "0", "-1"])
def test_a_reference_is_named_by_its_number(ask, alice, number):
    study = builders.a_draft(owner=alice)
    address = f"studies/{study.slug}/cases/1/references/"
    for act in ("add", "remove"):
        status, problem = ask("post", address, f'{{"{act}": {number}}}')
        assert (status, problem["errors"][0]["field"]) == (400, act)


def test_the_owner_names_members_who_then_see_the_study(ask, client, running_study):
    victor = builders.a_user("victor", researcher=True)
    here = f"studies/{running_study.slug}/members/"
    status, made = ask("post", here, {"username": "victor", "role": "monitor"})
    assert (status, made["role"]) == (201, "monitor")
    assert ask("post", here, {"username": "bob", "role": "monitor"})[0] == 409
    client.force_login(victor)
    address = f"/api/v1/studies/{running_study.slug}/"
    assert client.get(address).json()["role"] == "monitor"
    client.logout()
    assert ask("delete", f"{here}{made['id']}/")[0] == 204
    client.force_login(victor)
    assert client.get(address).status_code == 404


def test_an_invitation_is_sent_listed_and_revoked(ask, running_study):
    address = f"studies/{running_study.slug}/invitations/"
    status, made = ask("post", address, {"email": "dan@example.org"})
    assert (status, made["not_sent"]) == (201, "")
    assert made["address"] in mail.outbox[0].body
    assert ask("post", address, {"email": "dan@example.org"})[0] == 409
    assert ask("post", address, {"email": "dan"})[0] == 400
    assert [row["id"] for row in ask("get", address)[1]["results"]] == [made["id"]]
    status, revoked = ask("post", f"{address}{made['id']}/revoke/")
    assert (status, revoked["open"], revoked["address"]) == (200, False, None)


def test_lists_of_studies_are_filtered_and_ordered(ask, alice):
    for title in ("Polyps", "Ulcers"):
        builders.a_draft(title=title, pairs=1, arms=1)
    found = ask("get", "studies/", title="ulc")[1]["results"]
    assert [study["title"] for study in found] == ["Ulcers"]
    assert ask("get", "studies/", state="running")[1]["count"] == 0
    found = ask("get", "studies/", ordering="-title")[1]["results"]
    assert [study["title"] for study in found] == ["Ulcers", "Polyps"]
    for wrong in ({"state": "nothing"}, {"state": ""}, {"stat": "draft"}, {"page_size": 0}):
        status, said = ask("get", "studies/", **wrong)
        assert (status, said["errors"][0]["field"]) == (400, *wrong)


def test_a_protocol_of_ones_own_is_saved_changed_and_deleted(ask, alice):
    status, made = ask(
        "post",
        "protocols/",
        {"like": "preset:prompt-to-polyp", "name": "Short", "repeats": 0.2, "images_per_set": 4},
    )
    assert status == 201, made
    protocol = made["protocol"]
    assert (protocol["key"], protocol["version"], protocol["repeats"]) == ("short", 1, 0.2)
    assert len(protocol["criteria"]) == 6
    criteria = [{"name": "Realism", "kind": "score", "minimum": 1, "maximum": 5}]
    status, changed = ask("patch", f"protocols/{made['id']}/", {"criteria": criteria, "plan": None})
    assert status == 200, changed
    assert changed["protocol"]["version"] == 2
    assert [c["maximum"] for c in changed["protocol"]["criteria"]] == [5]
    assert ask("delete", f"protocols/{made['id']}/")[0] == 204
    assert not SavedProtocol.objects.exists()


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"like": "preset:nothing"}, "like"),
        ({"name": "Prompt to Polyp"}, "name"),
        ({"images_per_set": 99}, "images_per_set"),
        ({"repeats": 0.9}, "repeats"),
        ({"presentation": "single"}, "ranking"),
        ({"criteria": [{"name": "Realism", "kind": "score", "minimum": 5, "maximum": 1}]},
         "criteria.0.maximum"),
        ({"criteria": [{"name": "Remark", "kind": "text"}], "plan": None}, "criteria"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_protocol_stands_at_its_field(ask, alice, change, field):
    sent = {"like": "preset:prompt-to-polyp", "name": "Short", **change}
    status, said = ask("post", "protocols/", sent)
    assert status == 400
    assert field in [error["field"] for error in said["errors"]]
    assert not SavedProtocol.objects.exists()
