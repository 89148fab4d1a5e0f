import pytest
from django.urls import reverse

from generation import models
from generation.models import Dataset, Generator, Image, Prompt, Run
from generation.runs import create_run
from tests.builders import a_draft, a_user, complete_sets
from tests.generation.a_training import a_training, a_training_set

pytestmark = pytest.mark.django_db
MODELS = [
    models.Dataset,
    models.Generator,
    models.Image,
    models.ImageSet,
    models.Prompt,
    models.Training,
    Run,
]


@pytest.fixture
def root(client, tmp_path):
    client.force_login(
        a_user("root", is_superuser=True, is_staff=True),
        backend="django.contrib.auth.backends.ModelBackend",
    )
    complete_sets(a_draft())
    a_training(a_training_set(tmp_path))
    return client


def address(model, page, *arguments):
    return reverse(f"admin:generation_{model._meta.model_name}_{page}", args=arguments)


@pytest.mark.parametrize("model", MODELS)
def test_every_row_can_be_searched_and_read_but_neither_added_nor_deleted(root, model):
    row = model.objects.first()
    assert root.get(address(model, "changelist"), {"q": "o"}).status_code == 200
    assert root.get(address(model, "change", row.pk)).status_code == 200
    assert root.get(address(model, "add")).status_code == 403
    assert root.post(address(model, "delete", row.pk), {"post": "yes"}).status_code == 403
    assert model.objects.filter(pk=row.pk).exists()


def test_a_list_of_images_needs_few_queries(root, django_assert_max_num_queries):
    with django_assert_max_num_queries(20):
        root.get(address(Image, "changelist"))


def test_a_data_set_s_licence_can_be_mended_and_a_generator_s_digest_can_t(root):
    dataset, generator = Dataset.objects.first(), Generator.objects.first()
    changed = {"name": "Other", "licence": "CC BY 4.0", "slug": "other", "phantom": "on"}
    root.post(address(Dataset, "change", dataset.pk), changed)
    root.post(address(Generator, "change", generator.pk), {"digest": "0" * 64, "name": "Other"})
    was = (dataset.slug, dataset.phantom, generator.digest, generator.name)
    dataset.refresh_from_db()
    generator.refresh_from_db()
    assert (dataset.name, dataset.licence) == ("Other", "CC BY 4.0")
    assert (dataset.slug, dataset.phantom, generator.digest, generator.name) == was


def test_runs_can_be_cancelled_and_queued_again(root):
    prompts = list(Prompt.objects.all()[:2])
    for _ in range(2):
        create_run(
            generator=Generator.objects.first(), prompts=prompts, images_per_set=2, seed=1, by=None
        )
    runs = Run.objects.filter(status=Run.Status.QUEUED)
    chosen = {"_selected_action": [run.pk for run in runs]}
    runs = Run.objects.filter(pk__in=chosen["_selected_action"])
    root.post(address(Run, "changelist"), {"action": "cancel", **chosen})
    assert set(runs.values_list("status", flat=True)) == {Run.Status.CANCELLED}
    response = root.post(address(Run, "changelist"), {"action": "retry", **chosen}, follow=True)
    assert set(runs.values_list("status", flat=True)) == {Run.Status.QUEUED}
    assert "2 runs were queued again" in response.content.decode()
