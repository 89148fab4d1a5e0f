"""A doctor's whole way: invitation, consent, briefing, cases, review, the last question."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.urls import reverse
from playwright.sync_api import expect

from annotation.invitations import invite
from annotation.links import link_of
from annotation.models import Guess, Reader, Study
from annotation.readings import save_comment, save_flag
from tests import builders

pytestmark = pytest.mark.django_db(transaction=True)
WIDTHS = [(320, 640), (768, 1024), (1440, 900)]
PASSWORD = "polyps-and-folds"
TEXTS = {
    "consent": "You look at images.\n\nTaking part is voluntary.",
    "consent_version": "1",
}


@pytest.fixture
def study():
    """What there can be on the way: consent, practice, hidden real images, the last question."""
    protocol = builders.a_protocol(practice=1, guess=True, hidden_real=True, **TEXTS)
    return builders.a_study(pairs=2, arms=2, readers=(), protocol=protocol)


@pytest.fixture
def look(page):
    """Take down what axe finds on a page, and whether it is wider than the window."""
    problems = {}

    def looked(name):
        found = Axe().run(page)
        if found.violations_count:
            problems[name] = found.generate_report()
        for width, height in WIDTHS:
            page.set_viewport_size({"width": width, "height": height})
            if page.evaluate("document.documentElement.scrollWidth") > width:
                problems[name, width] = "wider than the window"

    yield looked
    assert not problems


@pytest.fixture
def errors(page):
    """What the console complains of; answers that say no are no fault."""
    said = []
    page.on("console", lambda m: said.append(m.text) if m.type == "error" else None)
    yield said
    assert not [text for text in said if "status of 40" not in text]


def address(live_server, name, *arguments):
    return live_server.url + reverse(f"annotation:{name}", args=arguments)


def main(page):
    return page.locator("main")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_doctor_goes_the_whole_way_from_the_link_to_the_thanks(
    page, live_server, study, look, errors, scheme
):
    page.emulate_media(color_scheme=scheme)
    link = link_of(invite(study=study, by=study.owner, email="dave@example.org"))
    page.goto(address(live_server, "invitation-open", link))
    expect(main(page)).to_contain_text("alice invites you to read images")
    look("invitation")

    page.fill("#id_username", "dave")
    page.fill("#id_password1", "12345678")
    page.fill("#id_password2", "12345678")
    page.click("text=Set up my account")
    expect(page.get_by_role("alert")).to_contain_text("Mend what is marked")
    look("invitation with errors")
    page.fill("#id_password1", PASSWORD)
    page.fill("#id_password2", PASSWORD)
    page.click("text=Set up my account")

    expect(main(page)).to_contain_text("Taking part is voluntary.")
    look("consent")
    page.click("text=I'd rather not")
    expect(main(page)).to_contain_text("Nothing was recorded")
    look("declined")
    page.click("text=Read the text again")
    page.click("text=I agree and take part")

    expect(main(page)).to_contain_text("How long it takes")
    look("briefing")
    page.click("text=Start with practice")
    expect(page.get_by_role("button", name="Go on to the sets")).to_be_visible()

    reader = Reader.objects.get(user__username="dave")
    first, second, *rest = reader.readings.order_by("position")
    builders.rate(first)
    page.click(".pause")
    expect(main(page)).to_contain_text("1 of 5 cases done")
    token = second.shown_images.exclude(reading_set=None).first().token
    save_flag(reading=second, token=token, reason="anatomy", sequence=1)
    save_comment(reading=second, letter="B", text="Two polyps, not one. " * 9, sequence=1)
    page.reload()
    look("review")
    page.click("text=With comments")
    expect(page.locator(".review tbody tr")).to_have_count(1)
    page.click("text=Consent")
    expect(main(page)).to_contain_text("You agreed to version 1")
    look("consent given")

    for reading in (second, *rest):
        builders.rate(reading, sequence=2)
    page.click("text=Go on")
    expect(main(page)).to_contain_text("All 5 cases are in; nothing is missing")
    look("all in")
    page.get_by_role("link", name="The last question").click()
    look("last question")
    page.click("text=Send the answers")
    expect(page.get_by_role("alert")).to_contain_text("answers are missing")
    look("last question with answers missing")
    groups = page.get_by_role("group")
    for i in range(groups.count()):
        groups.nth(i).get_by_text("Can't tell").click()
    page.click("text=Send the answers")
    expect(main(page)).to_contain_text("What happens next")
    expect(main(page)).not_to_contain_text("last question, if you like")
    assert set(Guess.objects.values_list("answer", flat=True)) == {"unsure"}
    page.get_by_role("button", name="Finish").click()
    expect(main(page)).to_contain_text("Done. Thank you.")
    look("done")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_pages_beside_the_way_are_as_clean(
    page, live_server, study, sign_in, look, errors, scheme
):
    page.emulate_media(color_scheme=scheme)
    invitation = invite(study=study, by=study.owner)
    link = link_of(invitation)
    page.goto(address(live_server, "invitation-open", link[:-3]))
    expect(main(page)).to_contain_text("This link is not complete")
    look("refused")
    builders.a_user("bob")
    sign_in("bob")
    page.goto(address(live_server, "invitation-open", link))
    look("invitation of somebody signed in")
    page.click("text=Accept as bob")
    expect(main(page)).to_contain_text("What you agree to")
    Study.objects.update(state="sealed")
    page.goto(address(live_server, "reader-study", study.slug))
    expect(main(page)).to_contain_text("it is not open yet")
    look("waiting")


def test_a_researcher_invites_copies_the_link_and_revokes_it(
    page, live_server, study, sign_in, look, errors
):
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    builders.a_user("alice", researcher=True)
    sign_in("alice")
    page.goto(live_server.url + study.get_absolute_url())
    page.get_by_label("Invite by e-mail").fill("dave@example.org")
    page.get_by_role("button", name="Invite").click()
    expect(main(page)).to_contain_text("dave@example.org is invited.")
    look("study with an invitation")
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Copied ✓")).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == address(live_server, "invitation-open", link_of(study.invitations.get()))
    page.get_by_role("button", name="Revoke the invitation").click()
    expect(main(page)).to_contain_text("its link opens nothing now")
    page.goto(copied)
    expect(main(page)).to_contain_text("has been withdrawn")
