"""Who may have which page and download: every address of the site, for everyone, over two studies.

alice owns the study that is asked for; carla is its co-investigator, monica its monitor, bob reads
it, rhea did until her part was ended. victor owns another study, which mallory reads. nobody has
an account and no part, root administers the site, and None isn't signed in.
"""

from dataclasses import dataclass, field
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.db import transaction
from django.test import Client
from django.urls import URLResolver, get_resolver, reverse
from django.utils import timezone

from analysis.models import DryRun, Export, OwnRatings, Report, Restore
from annotation.accounts import invite_researcher
from annotation.invitations import invite
from annotation.links import link_of
from annotation.members import add_member
from annotation.models import SavedProtocol, Study
from annotation.readers import add_reader, revoke_reader
from generation.models import Dataset, Image, Training, Upload
from generation.tokens import create_token
from tests import builders
from tests.analysis.builders import a_rated_study, a_report, know_features
from tests.analysis.test_sweep_page import a_sweep
from tests.config.written import written

pytestmark = pytest.mark.django_db

EVERYBODY = ("alice", "carla", "monica", "bob", "rhea", "victor", "mallory", "nobody", "root", None)
SIGNED_IN = EVERYBODY[:-1]
RESEARCHERS = ("alice", "carla", "monica", "victor", "root")
OWNS = ("alice", "root")
RUNS = ("alice", "carla", "root")
FOLLOWS = ("alice", "carla", "monica", "root")
READS = ("bob",)
ALICE, ROOT, NOBODY_ELSE = ("alice",), ("root",), ()


@dataclass
class Site:
    """What the addresses are made of."""

    study: Study
    report: Report
    rows: dict[str, Any] = field(default_factory=dict)

    @property
    def slug(self):
        return self.study.slug


# Name → who may, the arguments, and "post" where it isn't got, with what. Where nobody may, the
# page is not there in the state that the study is in.
S = lambda site: [site.slug]  # noqa: E731
ONE = lambda site: [site.slug, 1]  # noqa: E731


def row(name):
    return lambda site: [site.rows[name]]


def of_study(*more):
    return lambda site: [site.slug, *(site.rows.get(name, name) for name in more)]


def of_report(*more):
    return lambda site: [site.report.pk, *more]


NONE = lambda site: []  # noqa: E731
TABLE: dict[str, tuple] = {
    "home": (SIGNED_IN, NONE),
    "health": (EVERYBODY, NONE),
    "login": (EVERYBODY, NONE),
    "logout": (SIGNED_IN, NONE, "post"),
    "set-language": (EVERYBODY, NONE, "post"),
    # generation
    "generation:dataset-list": (RESEARCHERS, NONE),
    "generation:import-dataset": (RESEARCHERS, NONE),
    "generation:import-prompts": (RESEARCHERS, NONE),
    "generation:dataset": (RESEARCHERS, row("dataset")),
    "generation:dataset-delete": (OWNS, row("dataset"), "post"),
    "generation:dataset-prompts": (RESEARCHERS, row("dataset")),
    "generation:prompts-csv": (RESEARCHERS, row("dataset")),
    "generation:dataset-rephrase": (
        RESEARCHERS,
        row("dataset"),
        "post",
        {"source": "rules", "variants": "1"},
    ),
    "generation:dataset-decide": (RESEARCHERS, row("dataset"), "post"),
    "generation:upload": (OWNS, row("upload")),
    "generation:upload-act": (OWNS, lambda site: [site.rows["upload"], "cancel"], "post"),
    "generation:generator-list": (RESEARCHERS, NONE),
    "generation:import-sets": (RESEARCHERS, NONE),
    "generation:generator": (RESEARCHERS, row("generator")),
    "generation:training-new": (RESEARCHERS, NONE),
    "generation:training": (OWNS, row("training")),
    "generation:training-loss": (OWNS, row("training")),
    "generation:training-grid": (NOBODY_ELSE, lambda site: [site.rows["training"], "x.png"]),
    "generation:training-act": (OWNS, lambda site: [site.rows["training"], "cancel"], "post"),
    "generation:run-list": (RESEARCHERS, NONE),
    "generation:run-new": (RESEARCHERS, NONE),
    "generation:run": (OWNS, row("run")),
    "generation:run-download": (OWNS, row("run")),
    "generation:run-act": (OWNS, lambda site: [site.rows["run"], "cancel"], "post"),
    "generation:token-list": (RESEARCHERS, NONE),
    "generation:token-revoke": (ALICE, row("token"), "post"),
    "generation:image": (OWNS, row("image")),
    "generation:image-thumbnail": (OWNS, row("image")),
    "generation:image-provenance": (OWNS, row("image")),
    "generation:image-download": (OWNS, row("image")),
    # annotation: studies
    "annotation:study-list": (RESEARCHERS, NONE),
    "annotation:study-new": (RESEARCHERS, NONE),
    "annotation:study": (FOLLOWS, S),
    "annotation:study-change": (RUNS, S),
    "annotation:study-delete": (RUNS, S, "post"),
    "annotation:study-references": (RUNS, S),
    "annotation:case-references": (RUNS, ONE),
    "annotation:study-members": (OWNS, S),
    "annotation:study-member-remove": (OWNS, of_study("member"), "post"),
    "annotation:study-monitoring": (FOLLOWS, S),
    "annotation:study-remind": (RUNS, S),
    "annotation:study-readers": (RUNS, S, "post"),
    "annotation:study-reader": (FOLLOWS, ONE),
    "annotation:study-look": (FOLLOWS, of_study(1, "same"), "post"),
    "annotation:study-pause": (RUNS, ONE, "post"),
    "annotation:study-resume": (RUNS, ONE, "post"),
    "annotation:study-revoke": (RUNS, ONE, "post"),
    "annotation:reader-erase": (OWNS, ONE),
    "annotation:study-invite": (RUNS, S, "post"),
    "annotation:study-uninvite": (RUNS, of_study("invitation"), "post"),
    "annotation:study-renew": (RUNS, of_study("invitation"), "post"),
    "annotation:study-balance": (RUNS, S),
    "annotation:case-exclude": (RUNS, ONE, "post"),
    "annotation:case-include": (RUNS, ONE, "post"),
    "annotation:set-sample": (RUNS, of_study(1, 1), "post"),
    "annotation:study-image": (RUNS, of_study("image")),
    "annotation:study-audit": (RUNS, S),
    "annotation:study-run": (RUNS, of_study("run", "cancel"), "post"),
    "annotation:study-act": (RUNS, of_study("close"), "post"),
    "annotation:protocol-list": (RESEARCHERS, NONE),
    "annotation:protocol-change": (ALICE, row("protocol")),
    "annotation:protocol-delete": (ALICE, row("protocol"), "post"),
    "annotation:protocol-copy": (RUNS, lambda site: ["study", site.slug]),
    # annotation: accounts
    "annotation:account": (SIGNED_IN, NONE),
    "annotation:first-account": (NOBODY_ELSE, NONE),
    "annotation:sign-up": (NOBODY_ELSE, NONE),
    "annotation:account-sign-out": (SIGNED_IN, NONE, "post"),
    "annotation:password-change": (SIGNED_IN, NONE),
    "annotation:password-changed": (SIGNED_IN, NONE),
    "annotation:password-reset": (EVERYBODY, NONE),
    "annotation:password-reset-sent": (EVERYBODY, NONE),
    "annotation:password-new": (EVERYBODY, lambda site: ["MQ", "set-password"]),
    "annotation:researcher-list": (ROOT, NONE),
    "annotation:researcher-add": (ROOT, NONE, "post"),
    "annotation:researcher-end": (ROOT, row("researcher"), "post"),
    "annotation:researcher-invite": (ROOT, NONE, "post"),
    "annotation:researcher-uninvite": (ROOT, row("researcher-invitation"), "post"),
    "annotation:researcher-renew": (ROOT, row("researcher-invitation"), "post"),
    "annotation:researcher-invitation": (NOBODY_ELSE, NONE),  # without the link, nobody
    "annotation:researcher-invitation-open": (EVERYBODY, row("researcher-link")),
    "annotation:invitation": (NOBODY_ELSE, NONE),
    "annotation:invitation-open": (EVERYBODY, row("link")),
    # annotation: a reader's pages
    "annotation:reader-study": (READS, S),
    "annotation:consent": (READS, S),
    "annotation:briefing": (READS, S),
    "annotation:reader-finish": (READS, S, "post"),
    "annotation:guess": (READS, S),
    "annotation:reading": (READS, ONE),
    "annotation:reading-references": (READS, ONE),
    "annotation:reading-score": (READS, ONE, "post"),
    "annotation:reading-ranking": (READS, ONE, "post"),
    "annotation:reading-comment": (READS, ONE, "post"),
    "annotation:reading-flag": (READS, ONE, "post"),
    "annotation:reading-activity": (READS, ONE, "post"),
    "annotation:reading-submit": (READS, ONE),
    "annotation:reading-image": (READS, of_study(1, "shown")),
    # analysis; the study is unblinded, so that its results may be seen
    "analysis:gallery": (RUNS, S),
    "analysis:gallery-inspect": (RUNS, S, "post"),
    "analysis:report": (RUNS, S),
    "analysis:report-act": (RUNS, of_report("cancel"), "post"),
    "analysis:report-figure": (RUNS, of_report("scores")),
    "analysis:report-png": (RUNS, of_report("scores")),
    "analysis:report-pdf": (RUNS, of_report()),
    "analysis:report-rows": (RUNS, of_report("means")),
    "analysis:report-download": (RUNS, of_report("means")),
    "analysis:report-archive": (RUNS, of_report()),
    "analysis:study-data": (RUNS, of_study("scores")),
    "analysis:dry-runs": (RUNS, S),
    "analysis:dry-run-act": (RUNS, of_study("dry-run", "cancel"), "post"),
    "analysis:exports": (RUNS, S),
    "analysis:export-cancel": (RUNS, row("export"), "post"),
    "analysis:export-download": (RUNS, row("export")),
    "analysis:restore-new": (RESEARCHERS, NONE),
    "analysis:restore": (OWNS, row("restore")),
    "analysis:restore-cancel": (OWNS, row("restore"), "post"),
    "analysis:sweeps": (RESEARCHERS, NONE),
    "analysis:sweep-csv": (RESEARCHERS, lambda site: [site.rows["sweep"], "table"]),
    "analysis:own-ratings": (RESEARCHERS, NONE),
    "analysis:own-report": (ALICE, row("own")),
    "analysis:own-delete": (ALICE, row("own"), "post"),
}
# Previews are of studies that are not open yet: `PREVIEWS` below asks for them.
PREVIEWS = {
    "annotation:case-preview": (RUNS, ONE),
    "annotation:preview": (RUNS, ONE),
    "annotation:preview-references": (RESEARCHERS, ONE, "post"),  # leads back to the preview
    "annotation:preview-score": (RUNS, ONE, "post"),
    "annotation:preview-ranking": (RUNS, ONE, "post"),
    "annotation:preview-comment": (RUNS, ONE, "post"),
    "annotation:preview-flag": (RUNS, ONE, "post"),
    "annotation:preview-activity": (RUNS, ONE, "post"),
    "annotation:preview-submit": (RUNS, ONE, "post"),
    "annotation:preview-image": (NOBODY_ELSE, of_study(1, "token")),
}


SLOW = ("analysis:report-pdf", "analysis:report-archive")  # seconds each: got once, refused to all


def names(resolver, spaces=()):
    """Every address of the site, but for the admin's and the API's, which tests of theirs hold."""
    for found in resolver.url_patterns:
        if not isinstance(found, URLResolver):
            yield ":".join([*spaces, found.name])
        elif found.namespace not in ("admin", "api"):
            yield from names(found, [*spaces, *filter(None, [found.namespace])])


def test_the_table_holds_every_address_of_the_site():
    assert sorted(set(names(get_resolver()))) == sorted({*TABLE, *PREVIEWS})


def people(study):
    """Everybody of the cast, with their parts."""
    for name in ("carla", "monica"):
        builders.a_user(name, researcher=True)
    add_member(study=study, user=builders.a_user("carla"), role="co-investigator", by=study.owner)
    add_member(study=study, user=builders.a_user("monica"), role="monitor", by=study.owner)
    rhea = add_reader(study=study, user=builders.a_user("rhea"), by=study.owner)
    revoke_reader(study=study, reader=rhea, by=study.owner, reason="On leave.")
    victor = builders.a_user("victor", researcher=True)
    builders.a_study(title="Other", owner=victor, pairs=1, readers=["mallory"])
    builders.a_user("nobody")
    builders.a_user("root", is_superuser=True, is_staff=True)


@pytest.fixture
def site():
    study = a_rated_study()
    Study.objects.filter(pk=study.pk).update(state=Study.State.RUNNING, unblinded_at=timezone.now())
    study.refresh_from_db()
    know_features(study)
    site = Site(study, a_report(study))
    people(study)
    alice = study.owner
    root = builders.a_user("root")
    image = Image.objects.generated().filter(image_set__case_sets__case__study=study)[0]
    dataset = study.cases.first().prompt.dataset
    Dataset.objects.filter(pk=dataset.pk).update(created_by=alice)
    invitation, researcher = invite(study=study, by=alice), invite_researcher(by=root)
    site.rows = {
        "dataset": dataset.slug,
        "generator": study.arms.first().generator.slug,
        "run": study.arms.first().run_id,
        "image": image.pk,
        "member": study.members.get(role="monitor").pk,
        "invitation": invitation.pk,
        "link": link_of(invitation),
        "researcher": builders.a_user("victor").pk,
        "researcher-invitation": researcher.pk,
        "researcher-link": link_of(researcher),
        "shown": builders.a_reading(study).shown_images.first().token,
        "protocol": SavedProtocol.objects.create(
            owner=alice, name="Mine", data=study.protocol_data
        ).pk,
        "token": create_token(user=alice, name="x", scopes=["data:read"], days=1)[0].token_key,
        "dry-run": DryRun.objects.create(
            study=study, readers={"expert": 1}, effects={}, seed=1, created_by=alice
        ).pk,
        "export": Export.objects.create(
            study=study, status="done", file=ContentFile(b"PK", "x.zip"), created_by=alice
        ).pk,
        "restore": Restore.objects.create(file_name="x.zip", created_by=alice).pk,
        "sweep": a_sweep().pk,
        "own": OwnRatings.objects.create(
            title="Own", owner=alice, ratings="case,arm,reader,criterion,score\n1,A,r,x,1\n"
        ).pk,
        "upload": Upload.objects.create(
            kind="dataset", name="Sent", file_name="sent.zip", created_by=alice
        ).pk,
        "training": Training.objects.create(
            name="Elm", family="msdm", dataset=dataset, preset="small", config={}, output="elm",
            created_by=alice, history=[["vae", 1, 0.5], ["vae", 2, 0.4]],
        ).pk,
    }  # fmt: skip
    return site


def signed_in(who):
    """A browser of theirs and the cookies that it has."""
    client = Client(raise_request_exception=False)
    if who:
        client.force_login(
            builders.a_user(who), backend="django.contrib.auth.backends.ModelBackend"
        )
    return client, client.cookies.copy()


def answered(client, cookies, address, method="get", data=None):
    """The status, and what was written; that is undone."""
    client.cookies = cookies.copy()
    with transaction.atomic(), written() as changes:
        response = getattr(client, method)(address, data)
        transaction.set_rollback(True)
    if response.status_code == 302 and response.url.startswith(reverse("login") + "?"):
        return "sign in", changes
    return response.status_code, changes


def deviations(table, site):
    """Whoever gets what the table denies, or is denied what it gives."""
    browsers = {who: signed_in(who) for who in EVERYBODY}
    for name, (allowed, arguments, *how) in table.items():
        address = reverse(name, args=arguments(site))
        for who in EVERYBODY:
            if name in SLOW and who in allowed and who != allowed[0]:
                continue
            status, changes = answered(*browsers[who], address, *how)
            refused = status in (403, 404) or (who is None and status == "sign in")
            if allowed == NOBODY_ELSE:
                refused = refused or status == 302
            well = status in (200, 302, 400, 409) if who in allowed else refused
            if not well:
                yield f"{name}: {who} gets {status}"
            if refused and changes:
                yield f"{name}: {who} gets {status}, but: {changes}"


def test_everybody_gets_what_the_table_says_and_nothing_else(site):
    assert "\n".join(deviations(TABLE, site)) == ""


def test_a_link_that_somebody_follows_changes_nothing(site):
    """What is posted can't be got, nor a form be sent by a picture in somebody's message."""
    client = signed_in("alice")[0]
    got = {
        name: client.get(reverse(name, args=row[1](site))).status_code
        for name, row in TABLE.items()
        if "post" in row and "alice" in row[0]
    }
    assert {name: status for name, status in got.items() if status != 405} == {
        "set-language": 302,  # as Django's own view answers, without setting it
    }


def test_what_belongs_to_another_study_is_not_found_under_this_one(site):
    other = Study.objects.get(title="Other")
    client = signed_in("alice")[0]
    for name, pk in (
        ("study-run", other.arms.first().run_id),
        ("study-uninvite", invite(study=other, by=other.owner).pk),
        ("study-image", Image.objects.filter(image_set__run=other.arms.first().run)[0].pk),
    ):
        arguments = [site.slug, pk, *(["cancel"] if name == "study-run" else [])]
        method = client.get if name == "study-image" else client.post
        assert method(reverse(f"annotation:{name}", args=arguments)).status_code == 404


def test_researchers_are_listed_the_studies_that_they_follow(site):
    for who, titles in (
        ("alice", {"Polyps"}), ("monica", {"Polyps"}), ("victor", {"Other"}),
        ("root", {"Polyps", "Other"}),
    ):  # fmt: skip
        page = signed_in(who)[0].get(reverse("annotation:study-list")).content.decode()
        assert {title for title in ("Polyps", "Other") if f">{title}</a>" in page} == titles


def test_previews_are_for_those_who_run_a_study(alice_s_sealed):
    assert "\n".join(deviations(PREVIEWS, alice_s_sealed)) == ""


@pytest.fixture
def alice_s_sealed():
    study = builders.a_study(state=Study.State.CHECKED, readers=("bob",))
    people(study)
    return Site(study, None, {"token": "x" * 16})
