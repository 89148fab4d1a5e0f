"""The audit, tried on a site that leaks in one way at a time, and on our own pages."""

import json
from io import StringIO

import pytest
from django.contrib.sessions.models import Session
from django.core.management import CommandError, call_command
from django.http import Http404, HttpResponse
from django.urls import include, path, reverse

from annotation.audits import audit_blinding
from annotation.blinding import presented
from annotation.errors import StudyError
from annotation.manifest import build_manifest, manifest_digest
from annotation.models import Reading, ShownImage, Study
from annotation.studies import open_study
from generation.jobs import perform_next
from generation.models import Generator
from generation.permissions import is_researcher
from tests import builders
from tests.builders import a_draft, a_study

pytestmark = pytest.mark.django_db
State = Study.State


class Site:
    """Just enough pages for a reader, each able to leak."""

    def __init__(
        self,
        *,
        body="",
        later="",
        header="",
        cookie="",
        image=presented,
        elsewhere="",
        door=False,
    ):
        self.body, self.header, self.cookie, self.elsewhere = body, header, cookie, elsewhere
        self.image, self.door, self.later = image, door, later
        reading = [
            path("<slug>/", self.overview, name="reader-study"),
            path("<slug>/<int:position>/", self.reading, name="reading"),
            path("<slug>/<int:position>/more/", self.more, name="more"),
            path("<slug>/<int:position>/image/<token>", self.picture, name="reading-image"),
        ]
        study = [
            path("studies/<slug>/", self.researchers_page, name="study"),
            path("accounts/", self.overview, name="account"),
        ]
        generation = [
            path("generators/", self.generators, name="generators"),
            path("images/<int:pk>/", self.researchers_page, name="image"),
        ]
        self.urls = (
            path("", self.overview, name="home"),
            path("out/", self.overview, name="logout"),
            path("language/", self.overview, name="set-language"),
            path("", include(([path("read/", include(reading)), *study], "annotation"))),
            path("", include((generation, "generation"))),
        )

    def overview(self, request, slug=""):
        return HttpResponse(
            '<a href="/read/polyps/1/">Start</a> <a href="/nowhere/">?</a><i data-x="/generators/">'
        )

    def reading(self, request, slug, position):
        reading = Reading.objects.for_reader(request.user).get(position=position)
        body = self.body + self.later * bool(reading.references_seen_at)
        response = HttpResponse(f"<p>{body}</p><b data-url='{request.path}more/'></b>")
        response["X-Page"] = f"{reading.position} {self.header}"
        response.set_cookie("last", self.cookie)
        return response

    def more(self, request, slug, position):
        return HttpResponse(self.elsewhere)

    def picture(self, request, slug, position, token):
        shown = ShownImage.objects.get(token=token, reading__reader__user=request.user)
        with shown.image.file.open() as file:
            body = self.image(file.read(), size=32, token=token)
        return HttpResponse(body, "image/jpeg", headers={"Cache-Control": "private"})

    def generators(self, request):
        return HttpResponse(_generator().name if is_researcher(request.user) else "")

    def researchers_page(self, request, **kwargs):
        if self.door:
            return HttpResponse("Come in")
        raise Http404


@pytest.fixture
def sealed(alice):
    return a_study(state=State.SEALED)


@pytest.fixture
def audit(settings, sealed):
    def run(**leaks):
        settings.ROOT_URLCONF = Site(**leaks).urls
        return audit_blinding(study=sealed)

    return run


def test_every_page_and_image_of_every_reader_is_looked_at(audit):
    clean = audit()
    # Each reader's: home, two links, the account, the overview and the choice of language, three
    # times; in 4 readings a page and one more, before and after the references were seen, 8 images,
    # and the page after the answers.
    assert clean.responses == 2 * (3 * 6 + 4 * (2 + 2 + 8 + 1))
    assert (clean.readers, clean.readings, clean.planned) == (2, 8, 8)
    assert clean.not_sought == []
    assert [finding.split(" ", 1)[1] for finding in clean.findings] == [
        "/nowhere/: answers 404, so it can't be checked"
    ] * 2 * 3


def _generator():
    return Generator.objects.first()


LEAKS = {
    "a name in a page": lambda: {"body": f"<i title='{_generator().name.upper()}'>"},
    "a name behind the references": lambda: {"later": _generator().name},
    "a slug in a header": lambda: {"header": _generator().slug},
    "a digest in a cookie": lambda: {"cookie": _generator().digest[:20]},
    "a checkpoint in a linked page": lambda: {"elsewhere": _generator().checkpoint},
    "a study's seed": lambda: {"body": "seed=20260101"},
    "an image's digest": lambda: {"body": ShownImage.objects.first().image.sha256},
    "an image's seed": lambda: {
        "body": ShownImage.objects.exclude(image__seed=None).first().image.seed
    },
    "a real image's file name": lambda: {
        "body": ShownImage.objects.exclude(image__name="").first().image.name
    },
    "an image as it is stored": lambda: {"image": lambda body, **_: body + b"\xff\xd9"},
    "a comment in an image": lambda: {
        "image": lambda body, **kw: (
            presented(body, **kw) + b"\xff\xfe" + _generator().name.encode() + b"\xff\xd9"
        )
    },
    "images of another size": lambda: {
        "image": lambda body, token, **_: presented(
            body, size=32 if token[0] < "Q" else 40, token=token
        )
    },
    "a page that breaks": lambda: {"image": lambda *_, **__: 1 / 0},
    "a researchers' page that lets readers in": lambda: {"door": True},
}


@pytest.mark.parametrize("leak", LEAKS)
def test_the_audit_finds(audit, leak):
    findings = [f for f in audit(**LEAKS[leak]()).findings if "/nowhere/" not in f]
    assert findings


def test_a_reader_who_is_a_researcher_elsewhere_may_know_generators_by_name(audit, bob, carol):
    for user in (bob, carol):
        builders.a_user(user.username, researcher=True)
    assert audit().findings == []


def test_an_audit_leaves_no_trace(audit, sealed, bob):
    last_login = bob.last_login
    audit()
    sealed.refresh_from_db()
    bob.refresh_from_db()
    assert sealed.state == State.SEALED
    assert not Session.objects.exists()
    assert bob.last_login == last_login


def test_a_name_too_short_to_look_for_is_said(settings, alice):
    study = a_draft()
    Generator.objects.filter(arms__study=study, arms__position=1).update(name="XL")
    settings.ROOT_URLCONF = Site().urls
    assert audit_blinding(study=study).not_sought == ["XL"]


# Our own pages


def test_our_own_pages_show_readers_nothing(sealed):
    audit = audit_blinding(study=sealed)
    assert audit.findings == []
    assert audit.responses >= 2 * (1 + 4 * 9)


def test_a_study_that_would_leak_is_not_opened(sealed, alice):
    for case in sealed.cases.all():
        case.prompt.text = f"Make {case.position} with {sealed.arms.first().generator.name}."
        case.prompt.save()
    manifest = build_manifest(sealed)
    sealed.manifest, sealed.manifest_digest = manifest, manifest_digest(manifest)
    sealed.save()
    with pytest.raises(StudyError, match=r"must not: .*“Zanzibar model"):
        open_study(study=sealed, by=alice)
    sealed.refresh_from_db()
    assert sealed.state == State.SEALED
    assert not sealed.events.filter(act="open").exists()


def test_the_command_says_what_was_fetched_sought_and_found_and_keeps_it(sealed):
    out = StringIO()
    call_command("audit_blinding", sealed.slug, readings=1, stdout=out)
    text = out.getvalue()
    assert "of 2 of 8 readings by 2 readers: " in text
    assert "Sought: 9 names, addresses and checkpoints of generators." in text
    assert "Sets linked to arms by bytes beyond the pixels: 33% (33% to 33%; chance 33%" in text
    assert text.splitlines()[-1].startswith("Nothing found in ")
    kept = sealed.events.get(act="audit")
    assert kept.detail["verdict"] in text.lower()
    assert json.loads(json.dumps(kept.detail)) == kept.detail


def test_the_command_fails_on_a_finding(settings, sealed):
    settings.ROOT_URLCONF = Site(body=_generator().name).urls
    out = StringIO()
    with pytest.raises(CommandError, match="findings in 140 responses"):
        call_command("audit_blinding", sealed.slug, stdout=out)
    assert f"R1 /read/polyps/1/: “{_generator().name}” (plain)" in out.getvalue()


def test_the_command_fails_when_the_study_changed_since_it_was_sealed(settings, sealed):
    Generator.objects.filter(arms__study=sealed).update(digest="0" * 64)
    settings.ROOT_URLCONF = Site().urls
    out = StringIO()
    with pytest.raises(CommandError):
        call_command("audit_blinding", sealed.slug, stdout=out)
    assert "changed since sealing" in out.getvalue()


def test_the_command_refuses_a_draft(alice):
    with pytest.raises(CommandError, match="is draft; audit it when sealed or running"):
        call_command("audit_blinding", a_draft().slug)


# The page


@pytest.fixture
def audit_page(client, sealed, alice):
    """The audit's page, fetched by alice; with `run`, an audit is asked for first."""
    client.force_login(alice)
    address = reverse("annotation:study-audit", args=[sealed.slug])

    def fetch(*, run=False):
        if run:
            client.post(address)
            perform_next(["cpu"])
        response = client.get(address)
        return " ".join(response.content.decode().split())

    return fetch


def test_the_page_says_that_there_was_no_audit_yet(audit_page):
    assert "Not audited yet" in audit_page()


def test_the_page_shows_what_the_audit_found(audit_page, sealed, client):
    text = audit_page(run=True)
    assert "Nothing that tells the arms was found" in text
    assert "<dt>Readings</dt><dd>8 of 8</dd>" in text
    assert "<dt>Too short to be sought</dt><dd>none</dd>" in text
    assert '<th scope="row">Bytes beyond the pixels</th><td class="figures">33%</td>' in text
    study = client.get(sealed.get_absolute_url()).content.decode()
    assert "audited the blinding: nothing found in" in study
    assert reverse("annotation:study-audit", args=[sealed.slug]) in study


def test_the_page_names_each_finding_and_shows_earlier_audits(audit_page, sealed):
    audit_page(run=True)
    Generator.objects.filter(arms__study=sealed).update(digest="0" * 64)
    text = audit_page(run=True)
    assert "Readers could see what they must not" in text
    assert "have changed since sealing" in text
    assert "Earlier audits" in text


def test_a_closed_study_keeps_its_audit_and_gets_no_new_one(audit_page, sealed):
    audit_page(run=True)
    Study.objects.filter(pk=sealed.pk).update(state=State.CLOSED)
    text = audit_page(run=True)
    assert "Only a sealed or running study" in text
    assert "Nothing that tells the arms was found" in text
    assert sealed.events.filter(act="audit").count() == 1
