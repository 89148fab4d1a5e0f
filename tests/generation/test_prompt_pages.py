"""Prompts on pages: from a CSV, rephrased by a job, approved one by one."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from generation.jobs import perform
from generation.models import Dataset, Job, Prompt, Proposal, Rephrasing
from tests.builders import a_dataset, a_user
from tests.generation.rephrasing.language_model import LanguageModel

pytestmark = pytest.mark.django_db
ADD = reverse("generation:import-prompts")
GOOD = (
    "prompt,rephrasing\n"
    "Generate an image with 1 polyp.,Create a picture that shows 1 polyp.\n"
    "Generate an image with 2 polyps.,Create a picture that shows 3 polyps.\n"
    '"Generate an image, please.",\n'
)


@pytest.fixture
def alice(client):
    user = a_user("alice", researcher=True)
    client.force_login(user)
    return user


@pytest.fixture
def medvqa():
    """Two prompts in a wording that the rules know, and one that they don't."""
    dataset = Dataset.objects.create(name="MEDVQA", slug="medvqa")
    for words in ("Generate an image with 1 polyp.", "Generate an image containing text.", "A cat"):
        Prompt.objects.create(dataset=dataset, text=words)
    return dataset


def text(response):
    return " ".join(response.content.decode().split())


def post(client, **data):
    return client.post(ADD, {"name": "Mine", "act": "check", **data})


def csv(content, name="mine.csv"):
    return SimpleUploadedFile(name, content.encode() if isinstance(content, str) else content)


def propose(client, dataset, source="rules", variants=1):
    address = reverse("generation:dataset-rephrase", args=[dataset.slug])
    client.post(address, {"source": source, "variants": variants})
    job = Rephrasing.objects.latest("pk")
    perform(Rephrasing, job.pk)
    job.refresh_from_db()
    return job


def decide(client, dataset, **data):
    address = reverse("generation:dataset-decide", args=[dataset.slug])
    shown = [proposal.pk for proposal in Proposal.objects.open()]
    return text(client.post(address, {"shown": shown, **data}, follow=True))


class TestFromACsv:
    def test_prompts_are_shown_for_checking_and_then_stored(self, client, alice):
        page = text(post(client, file=csv(GOOD)))
        assert "3 prompts, not stored yet" in page
        assert "It may ask for something else: numbers: 2 became 3" in page
        assert "none: no case of a study until it has one" in page
        assert "&quot;Generate an image, please.&quot;," in page
        assert not Dataset.objects.exists()
        response = post(client, text=GOOD, act="store")
        assert response.url == reverse("generation:dataset-prompts", args=["mine"])
        prompts = Dataset.objects.get().prompts
        assert prompts.count() == 5
        assert prompts.filter(rephrasing_of=None).count() == 3

    def test_every_problem_is_listed_with_its_line_and_the_text_can_be_mended(self, client, alice):
        bad = GOOD + "Generate an image with 1 polyp.,\n,Alone.\n" + "x" * 1001 + ",\n"
        page = text(post(client, file=csv(bad), source="A ward"))
        for part in (
            "line 5: “Generate an image with 1 polyp.” stands in line 2 already",
            "line 6: the prompt is empty",
            "line 7: 1001 characters",
            "3 problems, listed below",
            ",Alone.",  # in the field, to be mended
            'value="Mine"',
            'value="A ward"',
        ):
            assert part in page, part
        assert "not stored yet" not in page

    @pytest.mark.parametrize(
        ("data", "words"),
        [
            ({}, "Choose a file, or paste its text."),
            ({"file": csv("text\nOne.")}, "has no column prompt; its columns are: text"),
            ({"file": csv("prompt\nPólipo".encode("latin-1"))}, "line 2: byte 0xf3 is not UTF-8"),
            ({"text": GOOD, "name": ""}, "Give the new list a name."),
            ({"text": GOOD, "name": "Taken"}, "There is a data set “taken” or “Taken” already"),
            ({"text": GOOD, "into": "nowhere"}, "Select a valid choice"),
        ],
    )
    def test_what_can_t_be_is_said(self, client, alice, data, words):
        Dataset.objects.create(name="Taken", slug="taken")
        assert words in text(post(client, **data))

    def test_prompts_are_added_to_a_data_set_that_has_some(self, client, alice, medvqa):
        page = text(post(client, into="medvqa", text=GOOD, act="store"))
        assert not page
        assert medvqa.prompts.get(text="Generate an image with 1 polyp.").rephrasings.count() == 1
        again = "prompt,rephrasing\nCreate a picture that shows 1 polyp.,\nNew one.,A cat\n"
        page = text(post(client, into="medvqa", text=again, act="store"))
        assert "Line 2: “Create a picture that shows 1 polyp.” is a rephrasing of" in page
        assert "Line 3: “A cat” is a prompt of “MEDVQA” already" in page


class TestRephrasing:
    def test_what_is_proposed_is_no_prompt_until_somebody_approves_it(self, client, alice, medvqa):
        job = propose(client, medvqa)
        assert (job.status, job.done, job.total) == (Job.Status.DONE, 3, 3)
        assert len(job.problems) == 1
        assert "No rule for “A cat”" in job.problems[0]
        assert medvqa.prompts.count() == 3
        first, second = Proposal.objects.all()
        page = text(client.get(reverse("generation:dataset-prompts", args=["medvqa"])))
        assert "To approve: 2" in page
        assert "For 1 prompt nothing could be proposed" in page
        decide(client, medvqa, approve=first.pk, **{f"text-{first.pk}": "Draw one  polyp."})
        assert first.prompt.rephrasings.get().text == "Draw one polyp."
        page = decide(client, medvqa, reject=second.pk)
        assert "To approve: 0" in page
        assert not second.prompt.rephrasings.exists()

    def test_what_was_rejected_is_not_proposed_again(self, client, alice, medvqa):
        propose(client, medvqa)
        rejected = {proposal.text for proposal in Proposal.objects.all()}
        for proposal in Proposal.objects.all():
            decide(client, medvqa, reject=proposal.pk)
        propose(client, medvqa)
        fresh = {proposal.text for proposal in Proposal.objects.open()}
        assert len(fresh) == 2
        assert not fresh & rejected

    def test_asking_again_adds_nothing_to_those_that_have_enough(self, client, alice, medvqa):
        propose(client, medvqa)
        propose(client, medvqa)
        assert Proposal.objects.count() == 2
        propose(client, medvqa, variants=3)
        assert Proposal.objects.count() == 6

    def test_all_on_the_page_are_approved_but_for_what_can_t_be_and_edits_are_kept(
        self, client, alice, medvqa
    ):
        propose(client, medvqa, variants=2)
        empty, twice, *_ = Proposal.objects.all()
        edits = {f"text-{empty.pk}": " ", f"text-{twice.pk}": "A cat"}
        page = decide(client, medvqa, approve="all", **edits)
        assert "is empty: reject it instead" in page
        assert "“A cat” is a prompt of “MEDVQA” already" in page
        assert 'value="A cat"' in page
        assert Proposal.objects.count() == 2
        assert medvqa.prompts.exclude(rephrasing_of=None).count() == 2

    def test_links_of_the_page_after_a_refused_approval_lead_to_the_list(
        self, client, alice, medvqa, monkeypatch
    ):
        monkeypatch.setattr("generation.prompt_views.PROMPTS_A_PAGE", 1)
        propose(client, medvqa)
        here = reverse("generation:dataset-prompts", args=["medvqa"])
        proposal = Proposal.objects.first()
        page = decide(client, medvqa, approve=proposal.pk, **{f"text-{proposal.pk}": " "})
        assert "is empty" in page
        assert f'href="{here}?page=2"' in page
        assert f'method="get" action="{here}"' in page

    def test_a_proposal_of_another_data_set_can_t_be_decided_here(self, client, alice, medvqa):
        propose(client, medvqa)
        other = a_dataset(pairs=1, images_per_pair=0)
        proposal = Proposal.objects.first()
        decide(client, other, approve=proposal.pk)
        decide(client, other, reject="x")
        assert Proposal.objects.open().count() == 2

    def test_without_a_configured_model_none_is_offered_or_asked(self, client, alice, medvqa):
        page = text(client.get(reverse("generation:dataset-prompts", args=["medvqa"])))
        assert 'value="endpoint"' not in page
        address = reverse("generation:dataset-rephrase", args=["medvqa"])
        page = text(client.post(address, {"source": "endpoint", "variants": 1}, follow=True))
        assert "No language model is configured" in page
        assert not Rephrasing.objects.exists()

    def test_one_job_at_a_time_and_only_its_researcher_cancels_it(self, client, alice, medvqa):
        address = reverse("generation:dataset-rephrase", args=["medvqa"])
        client.post(address, {"source": "rules", "variants": 1})
        page = text(client.post(address, {"source": "rules", "variants": 1}, follow=True))
        assert "is being rephrased already" in page
        job = Rephrasing.objects.get()
        client.force_login(a_user("victor", researcher=True))
        assert client.post(address, {"cancel": job.pk}).status_code == 404
        client.force_login(alice)
        client.post(address, {"cancel": job.pk})
        job.refresh_from_db()
        assert job.status == Job.Status.CANCELLED

    def test_a_language_model_s_words_wait_for_approval_too(self, client, alice, medvqa, settings):
        medvqa.prompts.exclude(text="Generate an image with 1 polyp.").delete()
        with LanguageModel("Show me a picture of 2 polyps.", "Show 1 polyp in a picture.") as model:
            settings.REPHRASING_ENDPOINT, settings.REPHRASING_MODEL = model.url, "wise-7b"
            page = text(client.get(reverse("generation:dataset-prompts", args=["medvqa"])))
            assert "Ask wise-7b at 127.0.0.1" in page
            propose(client, medvqa, source="endpoint")
        assert len(model.requests) == 2  # the first answer changed the number
        proposal = Proposal.objects.get()
        assert (proposal.text, proposal.origin) == ("Show 1 polyp in a picture.", "wise-7b")

    def test_a_model_that_refuses_ends_the_job_with_its_words(
        self, client, alice, medvqa, settings
    ):
        with LanguageModel(401) as model:
            settings.REPHRASING_ENDPOINT, settings.REPHRASING_MODEL = model.url, "wise-7b"
            job = propose(client, medvqa, source="endpoint")
        assert job.status == Job.Status.FAILED
        assert "Check the key in REPHRASING_API_KEY" in job.error
        page = text(client.get(reverse("generation:dataset-prompts", args=["medvqa"])))
        assert "REPHRASING_API_KEY" in page
