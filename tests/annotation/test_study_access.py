"""Who may have which of a study's pages: every address, in two studies, for everyone."""

import pytest
from django.urls import reverse

from annotation.invitations import invite
from annotation.models import AuditEvent, Reader, Study
from annotation.urls import urlpatterns
from generation.models import Image
from tests import builders

pytestmark = pytest.mark.django_db
State = Study.State

PAGES = ["study", "case-sets", "study-audit", "study-balance"]
POSTS = [
    "study-act", "study-invite", "study-readers", "study-revoke", "study-run", "study-uninvite",
]  # fmt: skip
ARGUMENTS = {"study-act": ["close"], "case-sets": [1], "study-revoke": [1]}


@pytest.fixture
def cast(alice, bob, carol, mallory):
    """alice's study, read by bob and carol; victor's, read by mallory; nobody has no part."""
    builders.a_user("nobody")
    return {"alice": builders.a_study(), "victor": Study.objects.get(title="Other")}


def address(name, study):
    arguments = ARGUMENTS.get(name, [])
    if name == "study-run":
        arguments = [study.arms.first().run_id, "cancel"]
    if name == "study-uninvite":
        arguments = [invite(study=study, by=study.owner).pk]
    return reverse(f"annotation:{name}", args=[study.slug, *arguments])


def test_the_table_below_holds_every_address_of_a_study():
    named = {pattern.name for pattern in urlpatterns if "<slug:slug>" in str(pattern.pattern)}
    assert named == {*PAGES, *POSTS}


@pytest.mark.parametrize("name", PAGES + POSTS)
@pytest.mark.parametrize(
    ("who", "whose", "status"),
    [
        ("alice", "alice", 200),
        ("alice", "victor", 404),
        ("victor", "victor", 200),
        ("victor", "alice", 404),
        ("bob", "alice", 403),
        ("bob", "victor", 403),
        ("mallory", "alice", 403),
        ("mallory", "victor", 403),
        ("nobody", "alice", 403),
        (None, "alice", 302),
        (None, "victor", 302),
    ],
)
def test_a_study_is_its_owners_alone(client, cast, name, who, whose, status):
    if who:
        client.force_login(builders.a_user(who))
    asked = address(name, cast[whose])
    before = AuditEvent.objects.count()
    if name in PAGES:
        response = client.get(asked)
        assert response.status_code == status
    else:
        response = client.post(asked, {"username": "nobody"})
        allowed = status == 200
        assert response.status_code == (302 if allowed else status)
        if not allowed:
            assert AuditEvent.objects.count() == before
            assert not Reader.objects.filter(user__username="nobody").exists()
            assert set(Study.objects.values_list("state", flat=True)) == {State.RUNNING}
    if status == 302:
        assert response.url.startswith(reverse("login"))


@pytest.mark.parametrize("name", POSTS)
def test_a_link_that_somebody_follows_changes_nothing(client, cast, name):
    client.force_login(builders.a_user("alice"))
    assert client.get(address(name, cast["alice"])).status_code == 405


def test_a_superuser_manages_every_study(client, cast, admin_user):
    client.force_login(admin_user)
    for study in cast.values():
        assert client.get(address("study", study)).status_code == 200


def test_each_researcher_is_shown_their_own_studies(client, cast):
    client.force_login(builders.a_user("victor"))
    page = client.get(reverse("annotation:study-list")).content.decode()
    assert "Other" in page
    assert "Polyps" not in page


def test_readers_have_no_list_of_studies(client, cast):
    client.force_login(builders.a_user("bob"))
    assert client.get(reverse("annotation:study-list")).status_code == 403


@pytest.mark.parametrize(
    ("who", "status"), [("alice", 200), ("victor", 404), ("bob", 403), (None, 302)]
)
def test_a_generated_image_is_for_the_researcher_who_asked_for_it(client, cast, who, status):
    image = Image.objects.generated().filter(image_set__case_sets__case__study=cast["alice"])[0]
    if who:
        client.force_login(builders.a_user(who))
    for name in ("image", "image-provenance"):
        assert client.get(reverse(f"generation:{name}", args=[image.pk])).status_code == status


def test_a_run_of_another_study_is_not_found_under_this_one(client, cast):
    client.force_login(builders.a_user("alice"))
    foreign = cast["victor"].arms.first().run
    response = client.post(
        reverse("annotation:study-run", args=[cast["alice"].slug, foreign.pk, "cancel"])
    )
    assert response.status_code == 404
