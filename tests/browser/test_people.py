"""People: the first account of an empty site, and how readers get on, as they are seen."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.contrib.auth.models import User
from django.urls import reverse

from annotation.members import add_member
from annotation.models import Reading
from tests import builders

pytestmark = pytest.mark.django_db(transaction=True)


def faultless(page):
    report = Axe().run(page)
    assert report.violations_count == 0, report.generate_report()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), page.url


def test_an_empty_site_is_entered_by_its_first_account(page, live_server, settings):
    settings.ALLOWED_HOSTS = ["localhost", "127.0.0.1"]  # as by default: no code is asked for
    page.goto(live_server.url)
    faultless(page)
    page.fill("#id_username", "olga")
    page.fill("#id_email", "olga@example.org")
    for name in ("password1", "password2"):
        page.fill(f"#id_{name}", "polyps-and-folds")
    page.click("text=Make the first account")
    page.wait_for_url("**/studies/")
    assert User.objects.get().is_superuser
    page.click("text=Researchers")
    faultless(page)


@pytest.mark.parametrize("width", [1440, 768])
def test_a_sign_is_looked_into_and_a_reader_paused_and_replaced(page, live_server, sign_in, width):
    study = builders.a_study(pairs=2)
    for reading in Reading.objects.filter(reader__user__username="bob"):
        builders.rate(reading, score=lambda shown, key: 7)
    monica = builders.a_user("monica", researcher=True)
    add_member(study=study, user=monica, role="monitor", by=study.owner)
    page.set_viewport_size({"width": width, "height": 1024})
    sign_in("alice")
    page.goto(live_server.url + reverse("annotation:study", args=[study.slug]))
    for link in ("Remind…", "Co-investigators and monitors", "Monitoring"):
        page.goto(live_server.url + reverse("annotation:study", args=[study.slug]))
        page.click(f"text={link}")
        faultless(page)
    page.click("td:has-text('The same score throughout') >> xpath=.. >> text=R1")
    faultless(page)
    page.fill("#note-same", "All are bad indeed.")
    page.click("text=Keep note")
    page.wait_for_selector("text=looked into ✓")
    page.click("button:has-text('Pause')")
    page.wait_for_selector("text=Let them go on")
    page.click("text=End part…")
    page.fill("#reason", "On leave.")
    faultless(page)
    page.click("dialog button:has-text('End part')")
    page.wait_for_selector("text=Place 1 of the plan is free")
    faultless(page)
    page.click("button:has-text('Invite')")
    page.wait_for_selector("text=keeps place 1 of the plan")
    faultless(page)
