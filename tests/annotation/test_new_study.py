"""Setting a study up on a page: what it makes, what it says before, what it refuses."""

import html
import re
from dataclasses import replace
from datetime import timedelta
from io import StringIO
from uuid import uuid4

import pytest
from django.core.management import call_command
from django.urls import reverse
from django.utils import timezone

from annotation.models import Case, CaseReference, Study
from annotation.plans import plans_of
from annotation.protocols import load_protocol
from annotation.saved_protocols import save_protocol
from annotation.study_form import READERS, StudyForm
from generation.models import IMPORTED, ImageSet, Run
from tests import builders
from tests.at_once import at_once

pytestmark = pytest.mark.django_db
PAGE = reverse("annotation:study-new")


@pytest.fixture
def researcher(client, alice):
    client.force_login(alice)
    return client


@pytest.fixture
def dataset():
    return builders.a_dataset(pairs=8, images_per_pair=4)


@pytest.fixture
def generators():
    return [builders.a_generator(name=name, slug=name.lower()) for name in ("Elm", "Larch", "Yew")]


@pytest.fixture
def filled(dataset, generators):
    """What a browser sends for a form that is right, with changes by field."""

    def fill(**changes):
        data = {
            "title": "Polyps, set up",
            "protocol": "preset:prompt-to-polyp",
            "prompts": dataset.slug,
            "pairs": "7",
            "references": f"{dataset.slug}:test",
            "generators": [generator.slug for generator in generators],
            "images_per_set": "3",
            "references_per_case": "2",
            "repeats": "10",
            "readers": "4",
            "seed": "77",
            **changes,
        }
        return {name: value for name, value in data.items() if value is not None}

    return fill


def text_of(response):
    body = re.sub(r"<[^>]+>", " ", response.content.decode())
    return re.sub(r" ([,:.])", r"\1", " ".join(html.unescape(body).split()))


def an_import(by, prompts, *, images=2, name="Moss"):
    """A generator whose images came from elsewhere, for these prompts."""
    generator = builders.a_generator(name=name, slug=name.lower(), family=IMPORTED)
    run = Run.objects.create(
        generator=generator, images_per_set=images, created_by=by, status=Run.Status.DONE
    )
    ImageSet.objects.bulk_create(ImageSet(run=run, prompt=prompt) for prompt in prompts)
    return generator


def of_study(study):
    """What a study is made of, but for what differs between two of the same."""
    references = CaseReference.objects.filter(case__study=study)
    return {
        "protocol": study.protocol_data,
        "seed": study.seed,
        "cases": list(study.cases.values_list("prompt", "practice")),
        "arms": list(study.arms.values_list("generator", flat=True)),
        "references": list(
            references.order_by("case__position", "position").values_list("image", flat=True)
        ),
    }


class TestMaking:
    def test_the_page_makes_the_study_that_the_command_makes(
        self, researcher, alice, filled, dataset, generators
    ):
        response = researcher.post(PAGE, filled(repeats=""))
        made = Study.objects.get()
        assert response.url == made.get_absolute_url()
        assert (made.title, made.owner) == ("Polyps, set up", alice)
        call_command(
            "create_study",
            title="By command",
            prompts_dataset=dataset.slug,
            pairs=7,
            references_dataset=dataset.slug,
            generators="elm,larch,yew",
            images_per_set=3,
            references_per_case=2,
            seed=77,
            owner="alice",
            stdout=StringIO(),
        )
        assert of_study(made) == of_study(Study.objects.exclude(pk=made.pk).get())

    def test_a_form_that_is_sent_twice_makes_one_study(self, researcher, filled):
        key = str(researcher.get(PAGE).context["form"].initial["form_key"])
        first, second = (researcher.post(PAGE, filled(form_key=key)).url for _ in range(2))
        assert first == second
        other = researcher.post(PAGE, filled(form_key=key, title="Something else")).url
        assert other != first
        assert Study.objects.count() == 2

    @pytest.mark.services
    @pytest.mark.usefixtures("connections_of_their_own")
    def test_a_form_that_is_sent_twice_at_once_makes_one_study(self, alice, filled):
        data = filled(form_key=str(uuid4()))
        forms = [StudyForm(alice, data) for _ in range(3)]
        assert all(form.is_valid() for form in forms)
        assert at_once([form.save for form in forms]) == []
        assert Study.objects.count() == 1

    def test_what_is_left_empty_is_as_the_protocol_says_and_the_rest_is_as_asked(
        self, researcher, alice, filled
    ):
        own = builders.a_protocol(key="mine", name="Mine", practice=2, guess=True)
        saved = save_protocol(protocol=own, owner=alice)
        empty = {"pairs": "", "images_per_set": "", "references_per_case": ""}
        researcher.post(PAGE, filled(protocol=f"own:{saved.pk}", repeats="20", **empty))
        study = Study.objects.get()
        plan = {**own.plan.to_dict(), "embedder": "efficientnet-lite0"}  # the site's, now fixed
        assert study.protocol.to_dict() == {**own.to_dict(), "repeats": 0.2, "plan": plan}
        assert Case.objects.filter(practice=True).count() == 2
        assert Case.objects.filter(practice=False).count() == 12

    def test_a_protocol_that_hides_real_images_gets_them(self, researcher, filled):
        data = filled(protocol="preset:medisyn", images_per_set="", references_per_case="")
        researcher.post(PAGE, {**data, "repeats": ""})
        study = Study.objects.get()
        assert study.protocol.hidden_real
        assert study.arms.filter(generator=None).exists()

    def test_a_copy_is_the_same_study_again(self, researcher, filled):
        researcher.post(PAGE, filled())
        first = Study.objects.get()
        assert (
            f"{PAGE}?like={first.slug}" in researcher.get(first.get_absolute_url()).content.decode()
        )
        form = researcher.get(PAGE, {"like": first.slug}).context["form"]
        assert form.initial["title"] == "Polyps, set up, copy"
        researcher.post(PAGE, {name: form[name].value() or "" for name in form.fields})
        assert of_study(first) == of_study(Study.objects.exclude(pk=first.pk).get())


class TestRefusing:
    @pytest.mark.parametrize(
        ("changes", "field", "words"),
        [
            ({"title": ""}, "title", "This field is required."),
            ({"title": "…"}, None, "Give the study a title"),
            ({"title": "Is Larch best?"}, None, "names the generator “Larch”"),
            ({"pairs": "9"}, "pairs", "has 8 prompts with a rephrasing; 9 were asked for."),
            ({"references_per_case": "5"}, "references", "Too few test images"),
            ({"references": "nix:train"}, "references", "Select a valid choice"),
            ({"generators": []}, "generators", "This field is required."),
            ({"protocol": "study:nix"}, "protocol", "Select a valid choice"),
            ({"seed": "-1"}, "seed", "greater than or equal to 0"),
            ({"images_per_set": "25"}, "images_per_set", "less than or equal to 24"),
        ],
    )
    def test_what_is_wrong_stands_at_its_field_and_nothing_that_was_typed_is_lost(
        self, researcher, filled, changes, field, words
    ):
        data = filled(**changes)
        response = researcher.post(PAGE, data)
        form = response.context["form"]
        assert any(words in error for error in form.errors[field or "__all__"])
        assert {name: form[name].value() for name in data} == data
        assert "Nothing was made." in text_of(response)
        assert not Study.objects.exists()

    def test_nine_generators_are_too_many(self, researcher, filled):
        slugs = [builders.a_generator().slug for _ in range(9)]
        response = researcher.post(PAGE, filled(generators=slugs))
        assert "compares 1 to 8 generators" in text_of(response)
        assert not Study.objects.exists()

    def test_imported_images_say_what_they_lack(self, researcher, alice, filled, dataset):
        originals = dataset.prompts.filter(rephrasing_of=None)
        few = an_import(alice, originals, images=3)
        other = an_import(alice, dataset.prompts.all(), images=2, name="Reed")
        response = researcher.post(PAGE, filled(generators=[few.slug, other.slug]))
        wrong = " ".join(response.context["form"].errors["generators"])
        assert "“Moss” was imported without images for 7 of these 15 prompts" in wrong
        assert (
            "“Reed” was imported with 2 images for each prompt, but the protocol shows 3" in wrong
        )
        assert "Moss (imported: 3 images for each of 8 prompts)" in text_of(response)

    def test_neither_training_splits_nor_others_images_are_offered(
        self, researcher, filled, dataset, alice
    ):
        builders.an_image(dataset=dataset, split="train")
        victor = builders.a_user("victor", researcher=True)
        an_import(victor, dataset.prompts.all())
        form = StudyForm(alice)
        assert [key for key, _ in form.fields["references"].choices] == ["", f"{dataset.slug}:test"]
        assert "Moss" not in text_of(researcher.get(PAGE))
        response = researcher.post(PAGE, filled(generators=["moss"]))
        assert "Select a valid choice" in response.context["form"].errors["generators"][0]

    def test_nobody_copies_the_study_or_the_protocol_of_somebody_else(self, researcher, filled):
        owner = builders.a_user("victor", researcher=True)
        theirs = builders.a_draft(owner=owner, title="Theirs")
        saved = save_protocol(protocol=builders.a_protocol(key="own", name="Own"), owner=owner)
        assert researcher.get(PAGE, {"like": theirs.slug}).status_code == 404
        for protocol in (f"study:{theirs.slug}", f"own:{saved.pk}"):
            response = researcher.post(PAGE, filled(protocol=protocol))
            assert "protocol" in response.context["form"].errors

    def test_the_page_is_for_researchers(self, client, bob):
        client.force_login(bob)
        assert client.get(PAGE).status_code == 403
        assert client.post(PAGE).status_code == 403


class TestEstimate:
    def ask(self, client, data):
        return client.post(PAGE, {**data, "act": "estimate"}, headers={"HX-Request": "true"})

    def test_it_counts_what_the_study_then_has_and_makes_nothing(
        self, researcher, filled, generators
    ):
        response = self.ask(researcher, filled(repeats="25"))
        assert not Study.objects.exists()
        assert "<form" not in response.content.decode()
        said, estimate = text_of(response), response.context["estimate"]
        researcher.post(PAGE, filled(repeats="25"))
        study = Study.objects.get()
        assert estimate.pages == len(plans_of(study, [1])[1]) == 14 + 1 + 3
        assert "18 cases: 14 of the study, 1 for practice, 3 a second time" in said
        assert estimate.images == 3 * study.cases.count() * len(generators) == 135
        assert "about 55 min a reader, 3 h 35 min for all 4" in said
        assert "For practice Generate an image with 8 polyps." in said

    def test_the_time_is_that_of_earlier_runs_where_there_are_some(
        self, researcher, filled, generators, dataset
    ):
        now = timezone.now()
        for seconds in (20, 40):
            Run.objects.create(
                generator=generators[0], images_per_set=3, status=Run.Status.DONE, done=10,
                total=10, started_at=now - timedelta(seconds=seconds), finished_at=now,
            )  # fmt: skip
        estimate = self.ask(researcher, filled()).context["estimate"]
        assert estimate.seconds == 45 * 3
        assert estimate.untimed == generators[1:]
        said = text_of(self.ask(researcher, filled(generators=[generators[0].slug])))
        assert "45 about 3 min at the pace of earlier runs" in said
        assert "not run here" not in said

    def test_imported_images_are_not_generated(self, researcher, filled, dataset, alice):
        moss = an_import(alice, dataset.prompts.all(), images=3)
        estimate = self.ask(researcher, filled(generators=[moss.slug])).context["estimate"]
        assert (estimate.images, estimate.ready) == (0, 45)

    def test_one_set_at_a_time_is_counted_in_sets(self, researcher, filled, generators):
        data = filled(protocol="preset:medisyn", images_per_set="", references_per_case="")
        response = self.ask(researcher, {**data, "repeats": "0"})
        arms = len(generators) + 1
        assert f"{arms} sets of each of 14 prompts" in text_of(response)
        assert response.context["estimate"].pages >= 14 * arms

    def test_it_says_what_is_wrong_or_missing_before_anything_is_sent_off(self, researcher, filled):
        response = self.ask(researcher, filled(title=""))
        assert response.context["checked"].problems == []
        said = text_of(self.ask(researcher, filled(title="", pairs="9")))
        assert "has 8 prompts with a rephrasing; 9 were asked for" in said
        said = text_of(self.ask(researcher, filled(prompts="", generators=[])))
        assert "Still to choose: prompts of the data set, generators." in said

    def test_it_asks_the_database_no_more_for_more_prompts(
        self, researcher, filled, dataset, django_assert_max_num_queries
    ):
        more = builders.a_dataset(pairs=20, images_per_pair=2)
        data = filled(prompts=more.slug, references=f"{more.slug}:test", pairs="")
        with django_assert_max_num_queries(30):
            response = self.ask(researcher, data)
        assert response.context["estimate"].cases == 38

    def test_the_difference_is_told_on_the_scale_that_readers_use(
        self, researcher, alice, filled, generators
    ):
        first = builders.a_protocol(key="likert", name="Likert")
        five = [replace(c, minimum=1, maximum=5) for c in first.criteria]
        for number, criteria in enumerate([five, [five[0], *first.criteria[1:]]]):
            own = replace(first, criteria=tuple(criteria), key=f"own-{number}", name=f"O{number}")
            saved = save_protocol(protocol=own, owner=alice)
            said = text_of(self.ask(researcher, filled(protocol=f"own:{saved.pk}")))
            words = r"\d+.% of a scale" if number else r"\d\.\d points on the scale from 1 to 5"
            assert re.search(f"a difference of about {words}", said)

    def test_one_arm_finds_no_difference(self, researcher, filled, generators):
        said = text_of(self.ask(researcher, filled(generators=[generators[0].slug])))
        assert "no difference: that takes two arms" in said

    def test_without_javascript_a_button_shows_it_beside_all_that_was_typed(
        self, researcher, filled
    ):
        response = researcher.post(PAGE, {**filled(), "act": "estimate"})
        assert "A reader sees" in text_of(response)
        assert 'value="Polyps, set up"' in response.content.decode()
        assert "Nothing was made" not in text_of(response)
        assert not Study.objects.exists()


class TestBeginning:
    def test_in_an_empty_database_the_page_says_what_to_do_first(self, researcher):
        response = researcher.get(PAGE)
        said = text_of(response)
        assert "manage.py add_generator" in said
        for page in ("import-dataset", "import-prompts", "import-sets", "training-new"):
            assert reverse(f"generation:{page}") in response.content.decode()
        assert "<form id" not in response.content.decode()

    def test_what_is_there_is_asked_for_no_more(self, researcher, dataset):
        page = researcher.get(PAGE).content.decode()
        assert page.count("✓ there") == 2
        assert reverse("generation:import-prompts") not in page
        assert "manage.py add_generator" in page

    def test_a_list_without_studies_says_the_same(self, researcher, dataset):
        page = researcher.get(reverse("annotation:study-list")).content.decode()
        assert page.count("✓ there") == 2
        assert reverse("generation:import-sets") in page

    def test_what_can_be_chosen_in_one_way_only_is_chosen(self, researcher, dataset, generators):
        form = researcher.get(PAGE).context["form"]
        assert form["prompts"].value() == dataset.slug
        assert form["references"].value() == f"{dataset.slug}:test"
        assert form["readers"].value() == READERS
        again = researcher.get(PAGE).context["form"]
        assert form["seed"].value() != again["seed"].value()
        assert not form["generators"].value()

    def test_every_shipped_protocol_is_offered(self, researcher, dataset, generators):
        said = text_of(researcher.get(PAGE))
        for key in ("prompt-to-polyp", "medisyn"):
            assert load_protocol(key).name in said

    def test_the_list_of_studies_leads_here(self, researcher, dataset, generators):
        assert PAGE in researcher.get(reverse("annotation:study-list")).content.decode()
