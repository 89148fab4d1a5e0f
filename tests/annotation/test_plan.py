"""The analysis named in advance: part of the protocol, sealed with it, shown before."""

from dataclasses import replace

import pytest
from django.urls import reverse

from annotation.models import SavedProtocol, Study
from annotation.plan_words import NO_PLAN
from annotation.protocols import Protocol, ProtocolError, load_protocol
from annotation.protocols.plan import Claim
from tests import builders
from tests.annotation.test_protocol_pages import copy_of, filled, text_of

pytestmark = pytest.mark.django_db
PAPER = load_protocol("prompt-to-polyp")


@pytest.fixture
def researcher(client, alice):
    client.force_login(alice)
    return client


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"leading": "beauty"}, "names the criterion beauty, which is not rated"),
        ({"claims": (Claim("energy", "beauty"),)}, "names the criterion beauty"),
        ({"claims": (Claim("energy", "clinical_realism"),) * 2}, "makes a claim twice"),
        ({"claims": (Claim("energy", "clinical_realism", 0),)}, "sign is 1 or −1"),
        ({"alpha": 0.5}, "alpha must be"),
        ({"resamples": 10}, "resamples must be 1000 to"),
        ({"seed": -1}, "seed must be a whole number from 0"),
    ],
)
def test_a_plan_that_cannot_be_is_refused(change, fault):
    with pytest.raises(ProtocolError, match=fault):
        replace(PAPER, plan=replace(PAPER.plan, **change))


def test_a_protocol_from_before_there_were_plans_is_read_without_one():
    data = PAPER.to_dict()
    assert Protocol.from_dict(data) == PAPER
    del data["plan"]
    assert Protocol.from_dict(data).plan is None


def test_a_plan_is_sealed_with_the_sites_embedder_named(settings):
    settings.EMBEDDER = "biomedclip"
    study = builders.a_study(state=Study.State.SEALED)
    sealed = study.manifest["protocol"]["plan"]
    assert sealed["embedder"] == "biomedclip"
    assert sealed["claims"][0] == {"metric": "energy", "criterion": "clinical_realism", "sign": -1}
    settings.EMBEDDER = "efficientnet-lite0"
    assert study.protocol.plan.embedder == "biomedclip"


def test_the_studys_page_shows_the_plan_before_and_after_sealing(researcher):
    for state, said in ((Study.State.DRAFT, "It is sealed with"), (Study.State.SEALED, "Sealed")):
        study = builders.a_study(state=state)
        text = text_of(researcher.get(study.get_absolute_url()))
        assert said in text
        assert "Claim Energy distance: the lower, the higher Clinical realism" in text
        assert "α = 0.05, Holm over the claims" in text
        assert "10,000, seed 0" in text
    bare = builders.a_draft(protocol=builders.a_protocol(plan=None))
    assert NO_PLAN in text_of(researcher.get(bare.get_absolute_url()))


class TestForm:
    def save(self, researcher, **changes):
        return researcher.post(copy_of("prompt-to-polyp"), filled(PAPER, **changes), follow=True)

    def test_a_plan_is_changed_and_kept(self, researcher):
        self.save(
            researcher,
            plan__leading="detectability",
            plan__alpha="0.01",
            plan__embedder="timm:resnet18",
            claims__0__sign="1",
            claims__2__metric="",
        )
        plan = SavedProtocol.objects.get().protocol.plan
        assert (plan.leading, plan.alpha, plan.embedder) == ("detectability", 0.01, "timm:resnet18")
        assert plan.claims == (
            Claim("energy", "clinical_realism", 1), Claim("agreement", "prompt_faithfulness", 1),
        )  # fmt: skip

    def test_without_a_leading_criterion_there_is_no_plan(self, researcher):
        self.save(researcher, plan__leading="")
        assert SavedProtocol.objects.get().protocol.plan is None

    @pytest.mark.parametrize(
        ("field", "value", "said"),
        [
            ("plan__embedder", "inception", "No embedder “inception”; there are"),
            ("plan__primary", "", "names the metric that is asked first"),
            ("plan__resamples", "10", "greater than or equal to 1000"),
            ("claims__1__criterion", "", "Choose what the metric should go along with"),
            ("claims__1__metric", "fbd", "fbd is not one of the available choices"),
            ("criteria__0__key", "beauty", "names the criterion clinical_realism"),
        ],
    )
    def test_what_cannot_be_is_said_and_nothing_saved(self, researcher, field, value, said):
        assert said in text_of(self.save(researcher, **{field: value}))
        assert not SavedProtocol.objects.exists()

    def test_moving_a_criterion_keeps_what_was_typed(self, researcher):
        typed = filled(PAPER, plan__seed="17", claims__1__sign="-1") | {"act": "down-0"}
        body = researcher.post(
            reverse("annotation:protocol-copy", args=["preset", PAPER.key]), typed
        )
        editor = body.context["editor"]
        assert editor.plan.form["seed"].value() == "17"
        assert editor.plan.claims.forms[1]["sign"].value() == "-1"
