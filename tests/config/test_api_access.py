"""Who may ask the API for what: every operation, over two studies, for everyone, by every token."""

import pytest
from django.db import transaction
from django.test import Client
from django.test.client import MULTIPART_CONTENT
from django.urls import reverse

from annotation.models import Study
from config import api
from generation.models import AccessToken, Image
from generation.tokens import create_token
from tests.config.a_world import CAST, a_world, join, somebody
from tests.config.written import written

pytestmark = pytest.mark.django_db

# Of each operation the scope that a token needs, and for whom it is:
#   all        every researcher
#   follow     who runs or monitors the study
#   run        who runs the study: owner, co-investigator, superuser
#   results    the same, once results may be seen; before that they are told that they are hidden
#   own        whose it is, and superusers
OPERATIONS = {
    ("get", "me"): ("", "all"),
    ("get", "dataset-list"): ("data:read", "all"),
    ("post", "dataset-list"): ("data:write", "all"),
    ("get", "dataset-detail"): ("data:read", "all"),
    ("delete", "dataset-detail"): ("data:write", "own"),
    ("get", "dataset-prompts"): ("data:read", "all"),
    ("get", "dataset-rephrasings"): ("data:read", "all"),
    ("post", "dataset-rephrasings"): ("data:write", "all"),
    ("get", "rephrasing"): ("data:read", "all"),
    ("post", "rephrasing-cancel"): ("data:write", "own"),
    ("get", "dataset-proposals"): ("data:read", "all"),
    ("post", "proposal-approve"): ("data:write", "all"),
    ("post", "proposal-reject"): ("data:write", "all"),
    ("get", "uploads"): ("data:read", "all"),
    ("post", "uploads-datasets"): ("data:write", "all"),
    ("post", "uploads-sets"): ("data:write", "all"),
    ("get", "upload"): ("data:read", "own"),
    ("post", "upload-cancel"): ("data:write", "own"),
    ("get", "image-list"): ("data:read", "all"),
    ("get", "image-detail"): ("data:read", "own"),
    ("get", "image-file"): ("data:read", "own"),
    ("get", "image-with-provenance"): ("data:read", "own"),
    ("get", "generator-list"): ("data:read", "all"),
    ("get", "generator-detail"): ("data:read", "all"),
    ("get", "training-list"): ("data:read", "all"),
    ("post", "training-list"): ("data:write", "all"),
    ("get", "training-detail"): ("data:read", "own"),
    ("post", "training-cancel"): ("data:write", "own"),
    ("post", "training-retry"): ("data:write", "own"),
    ("get", "run-list"): ("data:read", "all"),
    ("post", "run-list"): ("data:write", "all"),
    ("get", "run-detail"): ("data:read", "own"),
    ("patch", "run-detail"): ("data:write", "own"),
    ("get", "run-chunks"): ("data:read", "own"),
    ("get", "run-archive"): ("data:read", "own"),
    ("post", "run-cancel"): ("data:write", "own"),
    ("post", "run-retry"): ("data:write", "own"),
    ("get", "study-list"): ("studies:read", "all"),
    ("post", "study-list"): ("studies:write", "all"),
    ("post", "study-estimates"): ("studies:write", "all"),
    ("get", "study-detail"): ("studies:read", "follow"),
    ("get", "study-protocol"): ("studies:read", "follow"),
    ("patch", "study-detail"): ("studies:write", "run"),
    ("delete", "study-detail"): ("studies:write", "run"),
    ("post", "study-copy"): ("studies:write", "run"),
    ("post", "study-steps"): ("studies:write", "run"),
    ("get", "study-arms"): ("studies:read", "run"),
    ("post", "arm-cancel"): ("studies:write", "run"),
    ("post", "arm-retry"): ("studies:write", "run"),
    ("get", "study-cases"): ("studies:read", "run"),
    ("get", "study-case"): ("studies:read", "run"),
    ("post", "case-references"): ("studies:write", "run"),
    ("post", "case-exclude"): ("studies:write", "run"),
    ("post", "case-include"): ("studies:write", "run"),
    ("post", "set-sample"): ("studies:write", "run"),
    ("get", "study-inspections"): ("studies:read", "run"),
    ("post", "study-inspections"): ("studies:write", "run"),
    ("get", "inspection"): ("studies:read", "run"),
    ("post", "inspection-cancel"): ("studies:write", "run"),
    ("post", "inspection-retry"): ("studies:write", "run"),
    ("get", "study-dry-runs"): ("studies:read", "run"),
    ("post", "study-dry-runs"): ("studies:write", "run"),
    ("get", "dry-run"): ("studies:read", "run"),
    ("delete", "dry-run"): ("studies:write", "run"),
    ("post", "dry-run-cancel"): ("studies:write", "run"),
    ("post", "dry-run-retry"): ("studies:write", "run"),
    ("get", "study-image"): ("studies:read", "run"),
    ("get", "study-flags"): ("studies:read", "run"),
    ("get", "study-neighbours"): ("studies:read", "run"),
    ("get", "study-balance"): ("studies:read", "run"),
    ("get", "study-record"): ("studies:read", "follow"),
    ("get", "study-record-check"): ("studies:read", "follow"),
    ("get", "study-audits"): ("studies:read", "run"),
    ("post", "study-audits"): ("studies:write", "run"),
    ("get", "study-readers"): ("studies:read", "follow"),
    ("post", "study-readers"): ("studies:write", "run"),
    ("post", "reader-revoke"): ("studies:write", "run"),
    ("post", "reader-pause"): ("studies:write", "run"),
    ("post", "reader-resume"): ("studies:write", "run"),
    ("post", "reader-sign"): ("studies:write", "follow"),
    ("get", "study-monitoring"): ("studies:read", "follow"),
    ("post", "study-reminders"): ("studies:write", "run"),
    ("get", "study-members"): ("studies:read", "own"),
    ("post", "study-members"): ("studies:write", "own"),
    ("delete", "member"): ("studies:write", "own"),
    ("post", "reader-erase"): ("studies:write", "own"),
    ("get", "study-invitations"): ("studies:read", "run"),
    ("post", "study-invitations"): ("studies:write", "run"),
    ("post", "invitation-renew"): ("studies:write", "run"),
    ("post", "invitation-revoke"): ("studies:write", "run"),
    ("get", "presets"): ("studies:read", "all"),
    ("get", "preset"): ("studies:read", "all"),
    ("get", "protocol-list"): ("studies:read", "all"),
    ("post", "protocol-list"): ("studies:write", "all"),
    ("get", "protocol-detail"): ("studies:read", "mine"),
    ("patch", "protocol-detail"): ("studies:write", "mine"),
    ("delete", "protocol-detail"): ("studies:write", "mine"),
    ("get", "all-ratings"): ("results:read", "all"),
    ("post", "all-ratings"): ("results:write", "all"),
    ("get", "ratings"): ("results:read", "mine"),
    ("delete", "ratings"): ("results:write", "mine"),
    ("get", "report-list"): ("results:read", "all"),
    ("post", "report-list"): ("results:write", "all"),
    ("get", "report-detail"): ("results:read", "results"),
    ("post", "report-cancel"): ("results:write", "results"),
    ("post", "report-retry"): ("results:write", "results"),
    ("get", "report-results"): ("results:read", "results"),
    ("get", "report-archive"): ("results:read", "results"),
    ("get", "report-pdf"): ("results:read", "results"),
    ("get", "report-figure"): ("results:read", "results"),
    ("get", "report-table"): ("results:read", "results"),
    ("get", "study-exports"): ("results:read", "results"),
    ("post", "study-exports"): ("results:write", "results"),
    ("get", "export"): ("results:read", "results"),
    ("get", "export-file"): ("results:read", "results"),
    ("post", "export-cancel"): ("results:write", "results"),
    ("post", "export-retry"): ("results:write", "results"),
    ("get", "restores"): ("studies:read", "all"),
    ("post", "restores"): ("studies:write", "all"),
    ("get", "restore"): ("studies:read", "own"),
    ("post", "restore-cancel"): ("studies:write", "own"),
    ("get", "study-data"): ("results:read", "results"),
}
OPEN = {"openapi", "docs", "nothing"}  # to everybody


def operations(patterns=api.urlpatterns):
    """Method, name and action of all that the API answers."""
    for pattern in patterns:
        if hasattr(pattern, "url_patterns"):
            yield from operations(pattern.url_patterns)
        elif pattern.name not in OPEN:
            for method, action in pattern.callback.actions.items():
                if method != "head":
                    yield method, pattern.name, action


def test_the_table_holds_every_operation():
    assert {(method, name) for method, name, _ in operations()} == set(OPERATIONS)


@pytest.fixture
def worlds():
    """The owner's study, which runs, and the other owner's, which is closed."""
    first = a_world()
    join(first.study)
    return {
        "owner": first,
        "other-owner": a_world("other-owner", "other-reader", state=Study.State.CLOSED),
    }


def expected(role, whose, access, *, hidden):
    """The status of a refusal; None where it is allowed."""
    if role == "anonymous":
        return 401
    if role in ("reader", "other-reader"):
        return 403
    if role == "superuser":
        allowed = access != "mine"
    elif role in ("co", "monitor"):
        runs = whose == "owner" and role == "co"
        follows = whose == "owner"
        allowed = {"run": runs, "results": runs, "follow": follows, "all": True}.get(access, False)
    else:
        allowed = access == "all" or role == whose
    if not allowed:
        return 404
    return 403 if access == "results" and hidden else None


@pytest.mark.parametrize("role", CAST)
def test_everyone_gets_what_is_theirs_and_nothing_else(worlds, role):
    client, account = Client(), somebody(role)
    if account:
        client.force_login(account)
    wrong = []
    for whose, world in worlds.items():
        for (method, name), (_, access) in OPERATIONS.items():
            status, problem, changed = ask(client, method, name, world)
            refused = expected(role, whose, access, hidden=not world.study.results_visible)
            fine = status == refused if refused else status not in (401, 403, 404, 405, 500)
            if refused == 403 and access == "results" and role not in ("reader", "other-reader"):
                fine = fine and problem.endswith(":blinded")
            if not fine or (refused and changed):
                wrong.append(f"{method} {name} of {whose}: {status} {problem}, not {refused}")
    assert wrong == []


def generated(world):
    images = Image.objects.filter(image_set__run__in=world.study.arms.values("run"))
    return images.values_list("pk", flat=True)


# Of each list that is not the same for everybody: the operation that shows one of it, which says
# whose it is, the key, and what of it is in a world.
LISTS = {
    "study-list": ("study-detail", "slug", lambda w: [w.study.slug]),
    "training-list": ("training-detail", "id", lambda w: [w.training.pk]),
    "run-list": ("run-detail", "id", lambda w: w.study.arms.values_list("run_id", flat=True)),
    "image-list": ("image-detail", "id", generated),
    "uploads": ("upload", "id", lambda w: [w.upload.pk]),
    "restores": ("restore", "id", lambda w: [w.restore.pk]),
    "protocol-list": ("protocol-detail", "id", lambda w: [w.protocol.pk]),
    "all-ratings": ("ratings", "id", lambda w: [w.ratings.pk]),
    "report-list": ("report-detail", "id", lambda w: [w.report.pk]),
}


@pytest.mark.parametrize("role", ["owner", "co", "monitor", "other-owner", "nobody", "superuser"])
def test_lists_hold_what_is_theirs_alone(worlds, role):
    client = Client()
    client.force_login(somebody(role))
    for name, (one, key, has) in LISTS.items():
        query = {"kind": "generated"} if name == "image-list" else {}
        rows = client.get(reverse(f"api:{name}"), {"page_size": 500, **query}).json()["results"]
        _, access = OPERATIONS["get", one]
        theirs = [
            value
            for whose, world in worlds.items()
            if expected(role, whose, access, hidden=not world.study.results_visible) is None
            for value in has(world)
        ]
        assert sorted(row[key] for row in rows) == sorted(theirs), name


def rows(related, field="pk"):
    return lambda world: getattr(world.study, related).values_list(field, flat=True)


def prompts(world):
    return world.proposal.prompt.dataset.prompts.values_list("pk", flat=True)


# What a list under a study or a data set shows of it: its key, and what of it is in a world.
PARTS = {
    "study-arms": ("generator", rows("arms", "generator__slug")),
    "study-cases": ("prompt_id", rows("cases", "prompt")),
    "study-readers": ("username", rows("readers", "user__username")),
    "study-members": ("id", rows("members")),
    "study-invitations": ("id", rows("invitations")),
    "study-audits": ("id", rows("audits")),
    "study-inspections": ("id", rows("inspections")),
    "study-flags": ("image", rows("inspections", "flags__image")),
    "study-neighbours": ("image", rows("inspections", "neighbours__image")),
    "study-dry-runs": ("id", rows("dry_runs")),
    "dataset-rephrasings": ("id", lambda world: [world.rephrasing.pk]),
    "dataset-proposals": ("id", lambda world: [world.proposal.pk]),
    "dataset-prompts": ("id", prompts),
}
FOR_ALL = {"dataset-list", "generator-list", "presets"}
# Nothing in these tells one study from the other; exports of one that runs are hidden.
UNTOLD = {"run-chunks", "study-monitoring", "study-record", "study-exports"}


def test_lists_hold_what_is_of_the_study_or_data_set_alone(worlds):
    """For the superuser, who may see both."""
    client = Client()
    client.force_login(somebody("superuser"))
    for name, (key, has) in PARTS.items():
        found = [
            sorted(row[key] for row in client.get(address(name, world)).json()["results"])
            for world in worlds.values()
        ]
        assert found == [sorted(has(world)) for world in worlds.values()], name
        assert all(found), name
        assert found[0] != found[1], name


def test_the_tables_of_lists_hold_every_list():
    lists = {name for _, name, action in operations() if action == "list"}
    assert lists == {*LISTS, *PARTS, *FOR_ALL, *UNTOLD}


def ask(client, method, name, world, **options):
    """The status, the type of the problem, and what was written; then undone."""
    before = transaction.savepoint()
    with written() as changes:
        if method == "get":
            answer = client.get(address(name, world), **options)
        else:
            sends_files = name.startswith(("all-ratings", "uploads-", "restores"))
            kind = MULTIPART_CONTENT if sends_files else "application/json"
            answer = getattr(client, method)(address(name, world), {}, content_type=kind, **options)
    transaction.savepoint_rollback(before)
    said = answer.headers.get("Content-Type") == "application/problem+json"
    changes = [sql for sql in changes if AccessToken._meta.db_table not in sql]  # its last use
    return answer.status_code, answer.json()["type"] if said else "", changes


def address(name, world):
    """Where the operation is, for what is in this world."""
    study, arm = world.study, world.study.arms.first()
    dataset = study.cases.first().prompt.dataset
    of_a_study = {"slug": study.slug}
    arguments = {
        "dataset": {"slug": dataset.slug},
        "image": {"pk": arm.sets.first().images()[0].pk},
        "generator": {"slug": arm.generator.slug},
        "training": {"pk": world.training.pk},
        "run": {"pk": arm.run_id},
        "arm": {**of_a_study, "position": arm.position},
        "member": {**of_a_study, "pk": world.member.pk},
        "reader": {**of_a_study, "number": study.readers.first().number},
        "invitation": {**of_a_study, "pk": world.invitation.pk},
        "case": {**of_a_study, "position": 1},
        "set": {**of_a_study, "position": 1, "arm": 1},
        "inspection": {**of_a_study, "pk": world.inspection.pk},
        "rephrasing": {"slug": dataset.slug, "pk": world.rephrasing.pk},
        "proposal": {"slug": dataset.slug, "pk": world.proposal.pk},
        "export": {**of_a_study, "pk": world.export.pk},
        "restore": {"pk": world.restore.pk},
        "dry": {**of_a_study, "pk": world.dry_run.pk},
        "ratings": {"pk": world.ratings.pk},
        "upload": {"pk": world.upload.pk},
        "study": of_a_study,
        "preset": {"key": "medisyn"},
        "protocol": {"pk": world.protocol.pk},
        "report": {"pk": world.report.pk},
    }
    more = {
        "study-case": {"position": 1},
        "reader-sign": {"rule": "same"},
        "study-image": {"pk": arm.sets.first().images()[0].pk},
        "study-data": {"name": "scores"},
        "report-figure": {"name": "means"},
        "report-table": {"name": "means"},
    }
    plain = ("all-ratings", "me", "presets", "restores", "study-estimates")
    if name in plain or name.startswith("uploads") or name.endswith("-list"):
        return reverse(f"api:{name}")
    return reverse(f"api:{name}", kwargs=arguments[name.split("-")[0]] | more.get(name, {}))


@pytest.mark.parametrize("scope", sorted({scope for scope, _ in OPERATIONS.values()} - {""}))
def test_a_token_is_good_for_what_it_says_alone(worlds, scope):
    _, token = create_token(user=somebody("owner"), name="Test", scopes=[scope], days=1)
    headers = {"authorization": f"Bearer {token}"}
    wrong = []
    for (method, name), (needed, _) in OPERATIONS.items():
        status, problem, changed = ask(Client(), method, name, worlds["owner"], headers=headers)
        lacks = problem.endswith(":missing-scope")
        if lacks != (needed not in ("", scope)) or (lacks and (changed or status != 403)):
            wrong.append(f"{method} {name}: {status} {problem}")
    assert wrong == []
