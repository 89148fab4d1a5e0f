"""Pages of data and of references, looked at in every width and both colour schemes."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.urls import reverse
from playwright.sync_api import expect

from generation.jobs import perform_next
from generation.models import Dataset, Prompt, Proposal, Rephrasing, Upload
from tests import builders

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def alice(sign_in):
    user = builders.a_user("alice", researcher=True)
    sign_in("alice")
    return user


def to_rephrase():
    dataset = Dataset.objects.create(name="MEDVQA", slug="medvqa")
    for words in ("Generate an image with 1 polyp.", "Generate an image containing text.", "A cat"):
        Prompt.objects.create(dataset=dataset, text=words)
    return dataset


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_and_nothing_overflows(page, live_server, alice, scheme):
    page.emulate_media(color_scheme=scheme)
    draft = builders.a_draft(owner=alice)
    dataset = Dataset.objects.get()
    medvqa = to_rephrase()
    job = Rephrasing.objects.create(dataset=medvqa, source="rules", total=3, created_by=alice)
    perform_next(["cpu"])
    failed = Upload.objects.create(
        kind="dataset",
        name="Broken",
        file_name="broken.zip",
        created_by=alice,
        status="failed",
        error="Nothing was imported: 2 problems in the file.",
        problems=["a-name-" * 40 + ".png can't be decoded as an image: replace it.", "Another."],
    )
    assert job.pk
    found = {}
    for name, address in {
        "list": reverse("generation:dataset-list"),
        "data set": reverse("generation:dataset", args=[dataset.slug]),
        "proposals": reverse("generation:dataset-prompts", args=["medvqa"]),
        "prompts": reverse("generation:dataset-prompts", args=[dataset.slug]),
        "upload": reverse("generation:import-dataset"),
        "add prompts": reverse("generation:import-prompts"),
        "import": reverse("generation:import-sets"),
        "failed": failed.get_absolute_url(),
        "draft": draft.get_absolute_url(),
        "change": reverse("annotation:study-change", args=[draft.slug]),
        "references": reverse("annotation:study-references", args=[draft.slug]),
        "of a case": reverse("annotation:case-references", args=[draft.slug, 1]),
    }.items():
        page.goto(live_server.url + address)
        result = Axe().run(page)
        if result.violations_count:
            found[name] = result.generate_report()
        for width, height in [(320, 640), (768, 1024), (1440, 900)]:
            page.set_viewport_size({"width": width, "height": height})
            assert page.evaluate("document.documentElement.scrollWidth") <= width, (name, width)
    assert not found


def test_proposals_are_approved_and_rejected_without_leaving_the_page(page, live_server, alice):
    medvqa = to_rephrase()
    page.goto(live_server.url + reverse("generation:dataset-prompts", args=["medvqa"]))
    page.click("text=Propose by rule")
    expect(page.locator("#rephrasing")).to_contain_text("Waiting for a worker")
    perform_next(["cpu"])
    expect(page.locator("#proposals h2")).to_have_text("To approve: 2")
    first, second = Proposal.objects.all()
    page.fill(f"#text-{second.pk}", "Edited before the other is decided.")
    page.click(f"#reject-{first.pk}")
    expect(page.locator("#proposals h2")).to_have_text("To approve: 1")
    expect(page.locator(f"#text-{second.pk}")).to_have_value("Edited before the other is decided.")
    page.click(f"#approve-{second.pk}")
    expect(page.locator("#prompts")).to_contain_text("Edited before the other is decided.")
    expect(page.locator("#proposals")).to_be_hidden()
    assert medvqa.prompts.exclude(rephrasing_of=None).count() == 1


def test_a_reference_is_swapped_on_the_page_with_and_without_javascript(
    page, browser, live_server, alice
):
    draft = builders.a_draft(owner=alice, protocol=builders.a_protocol(references_per_case=1))
    case = draft.cases.get(position=1)
    spare = [builders.an_image(dataset=case.prompt.dataset) for _ in range(2)]
    for image in spare:
        image.prompts.add(case.prompt)
    address = live_server.url + reverse("annotation:case-references", args=[draft.slug, 1])
    page.goto(address)
    page.get_by_role("button", name=f"Use {spare[0]}").click()
    expect(page.locator("#choice")).to_contain_text("mark the one that")
    page.locator("input[name=instead]").check()
    page.get_by_role("button", name=f"Use {spare[0]}").click()
    expect(page.get_by_role("button", name=f"Remove {spare[0]}")).to_be_visible()
    state = page.context.storage_state()
    with browser.new_context(java_script_enabled=False, storage_state=state) as plain:
        other = plain.new_page()
        other.goto(address)
        other.locator("input[name=instead]").check()
        other.get_by_role("button", name=f"Use {spare[1]}").click()
        expect(other.get_by_role("button", name=f"Remove {spare[1]}")).to_be_visible()
    assert list(case.references.all()) == [spare[1]]
