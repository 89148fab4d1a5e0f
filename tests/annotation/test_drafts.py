"""A draft on its pages: changed, deleted, its references chosen by hand."""

import html
import re

import pytest
from django.urls import reverse

from annotation.drafts import create_study
from annotation.errors import StudyError
from annotation.models import AuditEvent, Study
from annotation.readers import add_reader
from annotation.real_images import choose_references, trained_on
from annotation.references import references_of
from annotation.studies import generate_images
from generation.models import Image, Prompt
from tests import builders

pytestmark = pytest.mark.django_db


@pytest.fixture
def researcher(client, alice):
    client.force_login(alice)
    return client


@pytest.fixture
def draft(alice):
    """Two pairs with two references each, of five images captioned by each prompt."""
    dataset = builders.a_dataset(pairs=2, images_per_pair=5)
    prompts = list(dataset.prompts.all())
    return create_study(
        title="Polyps",
        protocol=builders.a_protocol(),
        prompts=prompts,
        references=choose_references(
            prompts=prompts, dataset=dataset, split="test", count=2, seed=1
        ),
        generators=[builders.a_generator(name=name, slug=name.lower()) for name in ("Elm", "Yew")],
        seed=1,
        owner=alice,
    )


def text_of(response):
    body = re.sub(r"<[^>]+>", " ", response.content.decode())
    return " ".join(html.unescape(body).split())


def address(name, study, *arguments):
    return reverse(f"annotation:{name}", args=[study.slug, *arguments])


def in_form(client, study):
    """What a browser would send of the form as it stands."""
    form = client.get(address("study-change", study)).context["form"]
    values = {name: form[name].value() for name in form.fields}
    return {name: value for name, value in values.items() if value not in (None, "")}


def shown(study):
    return {
        prompt: [image.pk for image in images] for prompt, images in references_of(study).items()
    }


class TestChanging:
    def test_the_form_holds_the_draft_and_sent_as_it_is_changes_nothing(self, researcher, draft):
        before = (shown(draft), draft.protocol_data, list(draft.arms.values_list("generator")))
        assert researcher.post(address("study-change", draft), in_form(researcher, draft))
        draft.refresh_from_db()
        after = (shown(draft), draft.protocol_data, list(draft.arms.values_list("generator")))
        assert after == before
        assert Study.objects.count() == 1

    def test_what_is_changed_is_so_and_address_readers_and_record_stay(
        self, researcher, alice, draft, bob
    ):
        add_reader(study=draft, user=bob, by=alice)
        changes = {"title": "Adenomas", "pairs": "1", "generators": ["yew"], "images_per_set": "5"}
        response = researcher.post(
            address("study-change", draft), {**in_form(researcher, draft), **changes}, follow=True
        )
        assert "“Adenomas” is changed." in text_of(response)
        study = Study.objects.get()
        assert (study.title, study.slug) == ("Adenomas", "polyps")
        assert study.cases.count() == 2
        assert [str(arm) for arm in study.arms.all()] == ["Yew"]
        assert study.protocol.images_per_set == 5
        assert study.readers.get().user == bob
        assert "changed the draft: 2 cases, 1 arms" in text_of(response)

    def test_references_chosen_by_hand_stay_unless_others_are_asked_for(
        self, researcher, alice, draft
    ):
        case = draft.cases.get(position=1)
        mine = case.references.first()
        free = _free(draft, case)
        researcher.post(address("case-references", draft, 1), {"instead": mine.pk, "add": free.pk})
        by_hand = shown(draft)
        assert free.pk in by_hand[case.prompt_id]
        form = in_form(researcher, draft)
        researcher.post(address("study-change", draft), {**form, "title": "Else"})
        assert shown(draft) == by_hand
        researcher.post(address("study-change", draft), {**form, "seed": "4"})
        assert shown(draft) != by_hand

    def test_what_can_t_be_changes_nothing_and_keeps_what_was_typed(self, researcher, draft):
        before = shown(draft)
        response = researcher.post(
            address("study-change", draft),
            {**in_form(researcher, draft), "title": "Elm and others", "references_per_case": "9"},
        )
        text = text_of(response)
        assert "Nothing was changed." in text
        assert "Too few test images" in text
        assert 'value="Elm and others"' in response.content.decode()
        assert shown(draft) == before
        assert Study.objects.get().title == "Polyps"

    def test_once_images_are_asked_for_it_stays_as_it_is(self, researcher, alice, draft):
        form = in_form(researcher, draft)
        generate_images(study=draft, by=alice)
        response = researcher.post(address("study-change", draft), form, follow=True)
        assert "Only drafts can be changed." in text_of(response)
        response = researcher.post(address("study-delete", draft), follow=True)
        assert "Can't delete “Polyps” now: it is images" in text_of(response)
        page = text_of(researcher.get(draft.get_absolute_url()))
        assert "Delete draft" not in page


def test_a_draft_is_deleted_with_all_that_hangs_on_it(researcher, alice, draft, bob):
    add_reader(study=draft, user=bob, by=alice)
    images = Image.objects.count()
    response = researcher.post(address("study-delete", draft), follow=True)
    assert "The draft “Polyps” is deleted." in text_of(response)
    assert not Study.objects.exists()
    assert not AuditEvent.objects.exists()
    assert Image.objects.count() == images


class TestReferencesByHand:
    def test_the_page_of_all_shows_each_case_and_what_it_lacks(self, researcher, draft):
        case = draft.cases.get(position=1)
        remove(researcher, draft, 1, case.references.first())
        page = text_of(researcher.get(address("study-references", draft)))
        assert "1. Generate an image with 1 polyps." in page
        assert page.count("1 of 2 references") == 2  # the rephrasing shows the same
        page = text_of(researcher.get(draft.get_absolute_url()))
        assert "References are missing in 2 of 4 cases" in page
        with pytest.raises(StudyError, match="has 1 reference images; the protocol shows 2"):
            generate_images(study=draft, by=draft.owner)

    def test_an_image_is_swapped_removed_and_added_for_both_cases_of_a_pair(
        self, researcher, draft
    ):
        case, pair = draft.cases.filter(position__in=[1, 2])
        first, second = case.references.order_by("casereference__position")
        free = _free(draft, case)
        post(researcher, draft, 1, instead=first.pk, add=free.pk)
        assert shown(draft)[case.prompt_id] == shown(draft)[pair.prompt_id] == [free.pk, second.pk]
        remove(researcher, draft, 2, free)
        assert shown(draft)[case.prompt_id] == [second.pk]
        post(researcher, draft, 1, add=first.pk)
        assert shown(draft)[pair.prompt_id] == [second.pk, first.pk]
        assert draft.events.filter(act="change references").count() == 3

    def test_candidates_are_those_captioned_by_the_prompt_or_found_by_words(
        self, researcher, draft
    ):
        page = text_of(researcher.get(address("case-references", draft, 1)))
        assert "Captioned by the prompt: 5 images" in page
        found = researcher.get(address("case-references", draft, 1), {"q": "2 polyps"})
        assert "With “2 polyps”: 5 images" in text_of(found)
        assert "shown in case 3" in text_of(found)

    @pytest.mark.parametrize(
        ("what", "words"),
        [
            ("full", "Case 1 has its 2 references"),
            ("twice", "is a reference of case 1 already"),
            ("trained", "can't be a reference"),
            ("gone", "is no reference of case 1 any more"),
        ],
    )
    def test_what_can_t_be_is_said(self, researcher, draft, what, words):
        case = draft.cases.get(position=1)
        first, second = case.references.order_by("casereference__position")
        dataset = first.dataset
        data = {
            "full": {"add": _free(draft, case).pk},
            "twice": {"instead": first.pk, "add": second.pk},
            "trained": {
                "instead": first.pk,
                "add": builders.an_image(dataset=dataset, split="train").pk,
            },
            "gone": {"remove": _free(draft, case).pk},
        }[what]
        before = shown(draft)
        assert words in post(researcher, draft, 1, **data)
        assert shown(draft) == before

    def test_what_is_hidden_among_the_sets_can_t_be_shown_openly(self, researcher, alice):
        protocol = builders.a_protocol(hidden_real=True)
        draft = builders.a_draft(protocol=protocol)
        case = draft.cases.get(position=1)
        hidden = case.sets.get(arm__generator=None).links.first().image
        page = researcher.get(address("case-references", draft, 1), {"q": hidden.name})
        assert "can’t be used: hidden among the sets" in text_of(page)
        first = case.references.first()
        text = post(researcher, draft, 1, instead=first.pk, add=hidden.pk)
        assert "it is hidden among the sets" in text

    def test_after_the_draft_they_can_be_seen_but_not_changed(self, researcher, draft):
        generate_images(study=draft, by=draft.owner)
        page = text_of(researcher.get(address("case-references", draft, 1)))
        assert "Remove" not in page
        text = remove(researcher, draft, 1, draft.cases.get(position=1).references.first())
        assert "Can't change the references of “Polyps” now" in text


class TestWhatIsChosen:
    def test_no_image_of_the_split_that_an_arm_was_trained_on_is_chosen(self):
        dataset = builders.a_dataset(pairs=2, images_per_pair=3)
        trained = builders.a_generator(trained_on=dataset, trained_split="test")
        wish = {"prompts": list(dataset.prompts.all()), "dataset": dataset, "split": "test"}
        with pytest.raises(StudyError, match="Too few test images"):
            choose_references(**wish, count=1, seed=0, generators=[trained])
        assert choose_references(**wish, count=1, seed=0)
        assert len(trained_on(dataset.images.all(), [trained])) == 6
        assert not trained_on(dataset.images.all(), [builders.a_generator(trained_on=dataset)])

    def test_by_finding_others_that_show_the_same_make_up_for_those_too_few(self):
        dataset = builders.a_dataset(pairs=1, images_per_pair=1)
        for words in ("Two polyps at the left.", "A polyp and a snare.", "Ulcerative colitis."):
            caption = Prompt.objects.create(dataset=dataset, text=words)
            builders.an_image(dataset=dataset).prompts.add(caption)
        prompts = list(dataset.prompts.filter(text__contains="1 polyps"))
        wish = {"prompts": prompts, "dataset": dataset, "split": "test", "seed": 0}
        with pytest.raises(StudyError, match="have them matched by finding"):
            choose_references(**wish, count=3)
        chosen = choose_references(**wish, count=3, match="finding")[prompts[0].pk]
        captions = {caption.text for image in chosen for caption in image.prompts.all()}
        assert "Ulcerative colitis." not in captions
        assert chosen[0].prompts.get() == prompts[0]
        with pytest.raises(StudyError, match=r"show these findings: .* \(3 of 4\)"):
            choose_references(**wish, count=4, match="finding")


def _free(study, case):
    """An image captioned by the case's prompt that no case shows."""
    taken = Image.objects.filter(cases__study=study)
    return case.prompt.original.images.exclude(pk__in=taken).first()


def post(client, study, position, **data):
    return text_of(client.post(address("case-references", study, position), data, follow=True))


def remove(client, study, position, image):
    return post(client, study, position, remove=image.pk)
