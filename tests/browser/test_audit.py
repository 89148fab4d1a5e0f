"""The audit of blinding, as its researcher reads it."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.urls import reverse

from annotation.models import Study
from generation.jobs import perform_next
from tests import builders

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def study():
    return builders.a_study(
        state=Study.State.SEALED, protocol=builders.a_protocol(images_per_set=1), readers=["bob"]
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_an_audit_is_run_and_read(page, live_server, study, sign_in, scheme):
    page.emulate_media(color_scheme=scheme)
    sign_in("alice")
    page.goto(live_server.url + reverse("annotation:study", args=[study.slug]))
    page.click("text=Audit of blinding")
    assert Axe().run(page).violations_count == 0
    page.click("text=Run the audit now")
    page.wait_for_selector("text=Waits for a worker")
    assert Axe().run(page).violations_count == 0
    perform_next(["cpu"])
    page.wait_for_selector("text=Nothing that tells the arms was found")
    assert page.locator("th[scope=row]").count() == 11
    report = Axe().run(page)
    assert report.violations_count == 0, report.generate_report()
