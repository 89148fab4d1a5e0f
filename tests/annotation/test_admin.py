import pytest
from django.contrib import admin
from django.urls import reverse

from annotation import models
from annotation.cases import exclude_case
from annotation.readings import record_activity, save_comment, save_flag
from annotation.studies import close_study
from tests.builders import a_reading, a_study, a_user, rate

pytestmark = pytest.mark.django_db
MODELS = [getattr(models, name) for name in models.__all__]


@pytest.fixture
def root(client):
    user = a_user("root", is_superuser=True, is_staff=True)
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


@pytest.fixture
def rows(running_study, alice):
    """One row of each model at least."""
    reading = a_reading(running_study)
    rate(reading)
    save_comment(reading=reading, letter="A", text="Good.", sequence=1)
    token = reading.shown_images.first().token
    save_flag(reading=reading, token=token, reason="artefact", sequence=1)
    record_activity(reading=reading, act="active", detail={"seconds": 3}, sequence=1)
    shown = reading.sets.first()
    models.Guess.objects.create(
        reader=reading.reader, reading_set=shown, question="real", answer="no"
    )
    models.Invitation.objects.create(study=running_study, token="one", email="dora@example.org")
    models.ResearcherInvitation.objects.create(token="two", email="olga@example.org")
    models.Member.objects.create(study=running_study, user=a_user("victor"), role="monitor")
    models.Preference.objects.create(user=alice, language="ru")
    models.BlindingAudit.objects.create(study=running_study, opens=False)
    models.SavedProtocol.objects.create(owner=alice, name="Good", data=running_study.protocol_data)


@pytest.mark.parametrize("model", MODELS)
def test_every_row_can_be_searched_and_read(root, rows, model):
    name = f"admin:annotation_{model._meta.model_name}"
    found = root.get(reverse(f"{name}_changelist"), {"q": "o"})
    assert found.status_code == 200
    row = model.objects.first()
    assert root.get(reverse(f"{name}_change", args=[row.pk])).status_code == 200


def test_a_case_that_was_left_out_is_found_by_its_study(root, alice):
    study = a_study(state="checked", readers=[])
    exclude_case(study=study, case=study.cases.first(), by=alice, reason="odd")
    page = reverse("admin:annotation_case_changelist")
    for query in ({"left_out_of__id__exact": study.pk}, {"q": study.title}):
        found = root.get(page, query).context["cl"].result_list
        assert {1, 2} <= {case.position for case in found}
    assert b'field-left_out_of nowrap">Polyps<' in root.get(page).content


@pytest.mark.parametrize("model", MODELS)
def test_nothing_can_be_added_or_deleted(root, rows, model):
    name = f"admin:annotation_{model._meta.model_name}"
    row = model.objects.first()
    assert root.get(reverse(f"{name}_add")).status_code == 403
    assert root.post(reverse(f"{name}_delete", args=[row.pk]), {"post": "yes"}).status_code == 403
    assert model.objects.filter(pk=row.pk).exists()


def test_evidence_can_t_be_edited(root, running_study):
    rate(a_reading(running_study))
    for model in MODELS:
        assert not admin.site._registry[model].has_change_permission(root.get("/").wsgi_request)


def test_the_arm_behind_a_letter_and_the_secret_stay_hidden_while_the_study_runs(
    root, running_study, alice
):
    shown = a_reading(running_study).sets.first()
    pages = [
        reverse("admin:annotation_readingset_changelist"),
        reverse("admin:annotation_readingset_change", args=[shown.pk]),
    ]
    for page in pages:
        assert b"Zanzibar" not in root.get(page).content
        assert b"blinded until" in root.get(page).content
    close_study(study=running_study, by=alice)
    for page in pages:
        assert b"Zanzibar" in root.get(page).content
    study_page = reverse("admin:annotation_study_change", args=[running_study.pk])
    assert running_study.secret.encode() not in root.get(study_page).content
