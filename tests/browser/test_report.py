"""The report's page in a browser."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.urls import reverse

from tests.analysis.builders import a_rated_study, a_report, know_features
from tests.builders import a_protocol


@pytest.fixture
def reported(page, live_server, sign_in):
    """A report with every table open."""
    study = a_rated_study(pairs=5, arms=2, protocol=a_protocol(hidden_real=True, guess=True))
    know_features(study)
    a_report(study)
    sign_in("alice")
    page.goto(live_server.url + reverse("analysis:report", args=[study.slug]))
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    return page


def test_axe_finds_nothing_on_a_report_and_nothing_is_wider_than_the_window(reported):
    for scheme in ("light", "dark"):
        reported.emulate_media(color_scheme=scheme)
        found = Axe().run(reported)
        assert not found.violations_count, found.generate_report()
        for width in (1440, 768):
            reported.set_viewport_size({"width": width, "height": 900})
            assert reported.evaluate("document.documentElement.scrollWidth") <= width
