"""A researcher looks at the balance of a plan, and copies a protocol and changes it."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.urls import reverse
from playwright.sync_api import expect

from annotation.models import SavedProtocol
from tests import builders

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def alice(sign_in):
    user = builders.a_user("alice", researcher=True)
    sign_in("alice")
    return user


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_on_the_pages_of_a_study_s_design(page, live_server, alice, scheme):
    errors = []
    page.on("console", lambda m: errors.append(m.text) if m.type == "error" else None)
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": 1440, "height": 900})
    study = builders.a_study(pairs=6, arms=3, protocol=builders.a_protocol(repeats=0.1, checks=1))
    balance = reverse("annotation:study-balance", args=[study.slug])
    copy = reverse("annotation:protocol-copy", args=["preset", "prompt-to-polyp"])
    addresses = {
        "stored": balance,
        "asked": f"{balance}?readers=30",
        "refused": f"{balance}?readers=99",
        "protocols": reverse("annotation:protocol-list"),
        "copy": copy,
    }
    found = {}

    def look(name):
        found[name] = Axe().run(page)
        for width, height in [(320, 640), (1024, 768), (1440, 900)]:
            page.set_viewport_size({"width": width, "height": height})
            assert page.evaluate("document.documentElement.scrollWidth") <= width, (name, width)

    for name, address in addresses.items():
        page.goto(live_server.url + address)
        look(name)
    page.fill("#id_name", "")
    page.fill("#id_criteria-0-maximum", "0")
    page.locator("button[value=save]").first.click()
    expect(page.locator("[role=alert]")).to_contain_text("Nothing was saved")
    look("refused copy")
    page.fill("#id_name", "My own")
    page.fill("#id_criteria-0-maximum", "5")
    page.locator("button[value=save]").first.click()
    expect(page.locator("main")).to_contain_text("“My own” is saved.")
    look("saved")
    problems = {
        name: result.generate_report() for name, result in found.items() if result.violations_count
    }
    assert not problems
    assert not errors


def test_criteria_are_added_moved_and_removed_while_all_that_was_typed_stays(
    page, live_server, alice
):
    page.goto(
        live_server.url + reverse("annotation:protocol-copy", args=["preset", "prompt-to-polyp"])
    )
    legends = page.locator("#criteria .criterion legend")
    expect(legends).to_have_count(6)
    page.fill("#id_name", "Two questions")
    for left in (5, 4, 3, 2, 1):
        page.click("#remove-1")
        expect(legends).to_have_count(left)
    page.click("#add-criterion")
    expect(legends).to_have_count(2)
    page.fill("#id_criteria-1-name", "Would you use them?")
    page.select_option("#id_criteria-1-kind", "yes_no")
    page.click("#up-1")
    expect(legends.first).to_contain_text("Would you use them?")
    page.locator("button[value=save]").first.click()
    expect(page.locator("main")).to_contain_text(
        "criterion prompt_faithfulness, which is not rated"
    )
    for claim in (1, 2):  # of criteria that are gone
        page.select_option(f"#id_claims-{claim}-metric", "")
    page.locator("button[value=save]").first.click()
    expect(page.locator("main")).to_contain_text("“Two questions” is saved.")
    saved = SavedProtocol.objects.get().protocol
    assert [criterion.key for criterion in saved.criteria] == [
        "would_you_use_them",
        "clinical_realism",
    ]
    assert saved.criteria[0].kind == "yes_no"
