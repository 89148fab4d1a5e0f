"""The pages of ratings that were made elsewhere, in a browser."""

from axe_playwright_python.sync_playwright import Axe
from django.urls import reverse

from analysis.models import Report
from analysis.own.reports import create_own_report
from analysis.reports import compute_report
from tests.analysis.own_tables import METRICS, SOME, metrics, ratings
from tests.builders import a_user

HEAD = b"case,arm,reader,criterion,score\n"


def sound(page):
    """axe finds nothing in either theme, and nothing is wider than the window."""
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        found = Axe().run(page)
        assert not found.violations_count, found.generate_report()
    for width in (1440, 768):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_form_names_problems_and_its_report_can_be_read(page, live_server, sign_in):
    alice = a_user("alice", researcher=True)
    values = [
        f"{case},{arm},mine,{case % 3 + len(arm)}" for case in range(8) for arm in ("x", "yy")
    ]
    report = create_own_report(
        title="Mine", by=alice, ratings=ratings(*SOME), metrics=metrics(*values, columns=METRICS),
        better="higher",
    )  # fmt: skip
    assert Report.objects.claim(report.pk, holder="test")
    report.refresh_from_db()
    compute_report(report)
    report.end(Report.Status.DONE)
    sign_in("alice")
    page.goto(live_server.url + reverse("analysis:own-ratings"))
    page.fill("#id_title", "Bad")
    bad = {"name": "bad.csv", "mimeType": "text/csv", "buffer": HEAD + b"1,a,R1,real,x\n"}
    page.set_input_files("#id_ratings", files=[bad])
    page.click("text=Analyse >> nth=-1")
    assert "bad.csv, line 2: score is “x”, not a number." in page.inner_text("main")
    sound(page)
    page.click("text=Mine")
    assert "What was found" in page.inner_text("main")
    sound(page)
