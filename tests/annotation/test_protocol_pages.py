"""Copying a protocol and changing it: what is asked, what can't be, what is kept."""

import html
import re
from dataclasses import replace
from io import StringIO

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.urls import reverse

from annotation.models import SavedProtocol, Study
from annotation.plan_form import ClaimForm, PlanForm
from annotation.protocol_form import CriterionForm, ProtocolEditor, ProtocolForm
from annotation.protocols import Criterion, Protocol, load_protocol, presets
from annotation.protocols.plan import AnalysisPlan, Claim
from annotation.saved_protocols import find_protocol, save_protocol
from tests import builders

pytestmark = pytest.mark.django_db
PRESET = "prompt-to-polyp"


@pytest.fixture
def researcher(client, alice):
    client.force_login(alice)
    return client


def copy_of(key, origin="preset"):
    return reverse("annotation:protocol-copy", args=[origin, key])


def filled(protocol, *, name="My own", **changes):
    """What a browser sends for the form of this protocol, with changes by field."""
    editor = ProtocolEditor(protocol, name=name, source=protocol.source, version=1)
    data = {field.html_name: field.value() for field in editor.form}
    data |= {f.html_name: f.value() for f in editor.criteria.management_form}
    data |= {f.html_name: f.value() for f in editor.plan.claims.management_form}
    for form in (*editor.criteria, editor.plan.form, *editor.plan.claims):
        data |= {field.html_name: field.value() for field in form}
    data |= {key.replace("__", "-"): value for key, value in changes.items()}
    return {key: value for key, value in data.items() if value is not None and value is not False}


def text_of(response):
    body = re.sub(r"<[^>]+>", " ", response.content.decode())
    return " ".join(html.unescape(body).split())


def test_the_form_asks_for_all_that_a_protocol_is():
    derived = {"key", "version", "criteria", "plan", "language", "translations"}
    assert {*ProtocolForm.base_fields, *derived} == {*Protocol.__dataclass_fields__}
    assert {*CriterionForm.base_fields} == {*Criterion.__dataclass_fields__}
    assert {*PlanForm.base_fields, "claims"} == {*AnalysisPlan.__dataclass_fields__}
    assert {*ClaimForm.base_fields} == {*Claim.__dataclass_fields__}


@pytest.mark.parametrize("preset", presets())
def test_a_copy_that_changes_nothing_but_the_name_is_the_same_protocol(researcher, alice, preset):
    base = load_protocol(preset)
    response = researcher.post(copy_of(preset), filled(base), follow=True)
    assert "“My own” is saved." in text_of(response)
    saved = find_protocol("my-own", owner=alice)
    expected = {**base.to_dict(), "key": "my-own", "version": 1, "name": "My own"}
    for texts in expected["translations"].values():
        texts.pop("name")
    assert saved.to_dict() == expected


def test_the_copy_says_where_it_comes_from_and_what_it_asks(researcher):
    body = html.unescape(researcher.get(copy_of(PRESET)).content.decode())
    assert 'value="Prompt to Polyp, changed"' in body
    assert "Changed from Prompt to Polyp, version" in body
    assert 'value="Detectability of abnormality"' in body
    researcher.post(copy_of(PRESET), filled(load_protocol(PRESET)))
    address = reverse("annotation:protocol-change", args=[SavedProtocol.objects.get().pk])
    assert 'value="My own"' in researcher.get(address).content.decode()


def test_a_change_is_a_new_version_and_studies_keep_theirs(researcher, alice):
    researcher.post(copy_of(PRESET), filled(load_protocol(PRESET)))
    saved = SavedProtocol.objects.get()
    study = builders.a_draft(protocol=builders.a_protocol(key="my-own", name="My own"))
    address = reverse("annotation:protocol-change", args=[saved.pk])
    researcher.post(address, filled(saved.protocol, name="My own", images_per_set=3, repeats=25))
    changed = SavedProtocol.objects.get().protocol
    assert (changed.version, changed.images_per_set, changed.repeats) == (2, 3, 0.25)
    study.refresh_from_db()
    assert study.protocol.images_per_set == 2


def test_texts_that_changed_lose_their_translation_and_others_keep_it(researcher, alice):
    base = load_protocol(PRESET)
    changes = {"criteria-0-name": "Realism", "consent": "Take part?", "consent_version": "3"}
    researcher.post(copy_of(PRESET), {**filled(base), **changes})
    russian = find_protocol("my-own", owner=alice).in_language("ru")
    before = base.in_language("ru")
    assert russian.criteria[0].name == "Realism"
    assert russian.criteria[0].low == before.criteria[0].low
    assert russian.criteria[1] == before.criteria[1]
    assert russian.consent == "Take part?"


def test_lines_of_the_consent_end_as_in_the_preset(researcher, alice):
    base = load_protocol(PRESET)
    sent = base.consent.replace("\n", "\r\n")
    researcher.post(copy_of(PRESET), filled(base, consent=sent))
    assert find_protocol("my-own", owner=alice).consent == base.consent


class TestCriteria:
    def arranged(self, client, act, **changes):
        """The names of the criteria on the page after this act."""
        data = {**filled(load_protocol("medisyn")), **changes, "act": act}
        body = client.post(copy_of("medisyn"), data).content.decode()
        assert not SavedProtocol.objects.exists()
        return re.findall(r"<legend>Criterion \d+(?:: ([^<]*))?</legend>", body)

    @pytest.mark.parametrize(
        ("act", "names"),
        [
            ("add", ["Realism", "Match with the prompt", ""]),
            ("up-1", ["Match with the prompt", "Realism"]),
            ("down-0", ["Match with the prompt", "Realism"]),
            ("remove-0", ["Match with the prompt"]),
            ("up-0", ["Realism", "Match with the prompt"]),
            ("remove-7", ["Realism", "Match with the prompt"]),
            ("nonsense", ["Realism", "Match with the prompt"]),
        ],
    )
    def test_they_are_arranged_without_saving(self, researcher, act, names):
        assert self.arranged(researcher, act) == names

    def test_what_was_typed_stays_right_or_wrong(self, researcher):
        names = self.arranged(researcher, "up-1", **{"criteria-0-name": "Typed", "images": "x"})
        assert names == ["Match with the prompt", "Typed"]

    def test_one_at_least_stays(self, researcher):
        data = filled(load_protocol("medisyn"))
        data |= {"criteria-TOTAL_FORMS": "1", "act": "remove-0"}
        body = researcher.post(copy_of("medisyn"), data).content.decode()
        assert body.count("<legend>Criterion") == 1

    def test_a_new_one_gets_a_key_of_its_own(self, researcher, alice):
        data = filled(load_protocol("medisyn"))
        for i, kind in ((2, "yes_no"), (3, "text")):
            data[f"criteria-{i}-name"] = "Realism"
            data[f"criteria-{i}-kind"] = kind
            data[f"criteria-{i}-low"] = data[f"criteria-{i}-middle"] = "Said"
        data["criteria-TOTAL_FORMS"] = "4"
        researcher.post(copy_of("medisyn"), data)
        criteria = find_protocol("my-own", owner=alice).criteria
        assert [c.key for c in criteria] == ["realism", "match", "realism_2", "realism_3"]
        yes_no, text = criteria[2:]
        assert (yes_no.minimum, yes_no.maximum, yes_no.low, yes_no.middle) == (0, 1, "Said", "")
        assert (text.low, text.middle, text.not_applicable) == ("", "", False)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": ""}, "This field is required."),
        ({"name": "!?"}, "Give it a name with letters or digits in it."),
        ({"name": "MediSyn"}, "There is a protocol “medisyn” already: choose another name."),
        ({"images_per_set": "25"}, "less than or equal to 24"),
        ({"repeats": "26"}, "less than or equal to 25"),
        ({"presentation": "single"}, "Sets on pages of their own can’t be ranked."),
        ({"ranking": "", "ties_allowed": "on"}, "there are no ranks to share"),
        ({"ranking": "", "rank_references": "on"}, "There is no ranking."),
        ({"references_per_case": "0", "rank_references": "on"}, "no references to rank"),
        ({"consent_version": ""}, "Give the consent text a version"),
        ({"consent": ""}, "This version has no text."),
        ({"consent": "Take part?"}, "The text has changed: give it another version."),
        ({"criteria__0__maximum": "0"}, "The highest must be above the lowest, 0."),
        ({"criteria__0__minimum": ""}, "A score needs a lowest and a highest number."),
        ({"criteria__0__maximum": "11"}, "less than or equal to 10"),
        ({"criteria__0__kind": "slider"}, "Select a valid choice."),
        ({"criteria__1__key": "clinical_realism"}, "criteria need distinct keys"),
        ({f"criteria__{i}__kind": "text" for i in range(6)}, "One criterion at least must be"),
        ({"criteria__TOTAL_FORMS": "13"}, "submit at most 12 forms"),
    ],
)
def test_what_can_t_be_is_said_where_it_stands_and_nothing_is_saved(researcher, changes, words):
    data = filled(load_protocol(PRESET), **changes)
    text = text_of(researcher.post(copy_of(PRESET), data))
    assert words in text
    assert "Nothing was saved. Mend what is marked" in text
    assert not SavedProtocol.objects.exists()


def test_two_of_a_researcher_s_own_have_different_names_and_another_s_may_be_called_alike(
    researcher, alice
):
    victor = builders.a_user("victor", researcher=True)
    base = load_protocol(PRESET)
    save_protocol(
        protocol=Protocol.from_dict({**base.to_dict(), "key": "my-own", "name": "My own"}),
        owner=victor,
    )
    assert "is saved" in text_of(researcher.post(copy_of(PRESET), filled(base), follow=True))
    again = researcher.post(copy_of(PRESET), filled(base, name="MY OWN"))
    assert "There is a protocol “my-own” already" in text_of(again)
    assert SavedProtocol.objects.filter(owner=alice).count() == 1


def test_the_list_has_presets_one_s_own_and_those_of_one_s_studies(researcher, running_study):
    researcher.post(copy_of("medisyn"), filled(load_protocol("medisyn")))
    response = researcher.get(reverse("annotation:protocol-list"))
    text = text_of(response)
    assert "My own my-own 2 criteria · 1 image a set, one set at a time · real images" in text
    assert "Polyps Prompt to Polyp, version" in text
    for address in (copy_of(PRESET), copy_of("polyps", "study"), copy_of("medisyn")):
        assert address in response.content.decode()
        assert researcher.get(address).status_code == 200


def test_the_protocol_of_a_study_and_one_s_own_are_copied_too(researcher, running_study):
    body = researcher.get(copy_of("polyps", "study")).content.decode()
    assert re.search(r'name="images_per_set" value="2"', body)
    researcher.post(copy_of(PRESET), filled(load_protocol(PRESET), images_per_set=7))
    body = researcher.get(copy_of(SavedProtocol.objects.get().pk, "own")).content.decode()
    assert re.search(r'name="images_per_set" value="7"', body)


def test_a_deleted_one_is_gone(researcher):
    researcher.post(copy_of(PRESET), filled(load_protocol(PRESET)))
    address = reverse("annotation:protocol-delete", args=[SavedProtocol.objects.get().pk])
    assert researcher.get(address).status_code == 405
    assert "“My own” is deleted." in text_of(researcher.post(address, follow=True))
    assert not SavedProtocol.objects.exists()


def test_another_s_protocols_and_studies_are_not_found(client, researcher, bob, running_study):
    researcher.post(copy_of(PRESET), filled(load_protocol(PRESET)))
    pk = SavedProtocol.objects.get().pk
    own = [
        reverse("annotation:protocol-change", args=[pk]),
        copy_of(pk, "own"),
        copy_of("polyps", "study"),
    ]
    delete = reverse("annotation:protocol-delete", args=[pk])
    client.force_login(builders.a_user("victor", researcher=True))
    assert {client.get(address).status_code for address in own} == {404}
    assert client.post(delete).status_code == 404
    assert client.get(copy_of("nix")).status_code == 404
    assert client.get(copy_of(PRESET, "nowhere")).status_code == 404
    assert client.get(copy_of("mine", "own")).status_code == 404
    client.force_login(bob)
    pages = [*own, copy_of(PRESET), reverse("annotation:protocol-list")]
    assert {client.get(address).status_code for address in pages} == {403}
    assert client.post(delete).status_code == 403
    assert SavedProtocol.objects.exists()


def test_the_command_takes_one_s_own_protocol_and_names_those_that_there_are(researcher, alice):
    data = filled(load_protocol(PRESET), images_per_set=3, references_per_case=2, practice=0)
    researcher.post(copy_of(PRESET), data)
    dataset = builders.a_dataset(pairs=2)
    options = {
        "title": "Mine",
        "prompts_dataset": dataset.slug,
        "references_dataset": dataset.slug,
        "generators": builders.a_generator().slug,
        "seed": 1,
        "owner": "alice",
    }
    call_command("create_study", **options, protocol="my-own", stdout=StringIO())
    own = find_protocol("my-own", owner=alice)
    named = replace(own.plan, embedder="efficientnet-lite0")  # of the site, which the study fixes
    assert Study.objects.get().protocol == replace(own, plan=named)
    with pytest.raises(CommandError, match=r"No protocol “nix”; there are: .*medisyn, .*, my-own"):
        call_command("create_study", **options, protocol="nix")
