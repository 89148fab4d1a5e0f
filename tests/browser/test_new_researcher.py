"""From an empty database to a running study on imported images, as a new researcher goes."""

import csv
import io
import zipfile

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from annotation.models import Study
from generation.jobs import QUEUES, perform_next
from tests.generation.datasets.pictures import encode, picture

pytestmark = pytest.mark.django_db(transaction=True)
PROMPTS = [
    ("Generate an image containing a polyp.", "Create a picture in which a polyp can be seen."),
    ("Generate an image with 1 polyp.", "Produce an image showing exactly one polyp."),
    ("Generate an image with a large polyp.", "Produce an image with a polyp over 20 mm."),
    ("Generate an image containing text.", "Make a picture in which text can be read."),
]
IMAGES_A_SET = 10
GENERATORS = ("Fern", "Moss", "Reed")
# What it took when it was last mended; more clicks or pages than these fail.
MOST_CLICKS, MOST_PAGES = 39, 34


class Walk:
    """A person at the browser: what is clicked, typed, chosen, and how many pages are seen."""

    def __init__(self, page):
        self.page, self.clicks, self.fields, self.pages = page, 0, 0, 0
        page.on("framenavigated", lambda frame: self._count(frame))

    def _count(self, frame):
        self.pages += frame == self.page.main_frame

    def click(self, name, role="button"):
        self.page.get_by_role(role, name=name, exact=True).first.click()
        self.clicks += 1

    def follow(self, name):
        self.click(name, role="link")

    def check(self, label):
        self.page.get_by_label(label).check()
        self.clicks += 1

    def fill(self, **fields):
        for name, value in fields.items():
            self.page.fill(f"#id_{name}", value)
            self.fields += 1

    def choose(self, field, name, content):
        """A file, in the browser's own dialogue: one click more."""
        file = {"name": name, "mimeType": "application/octet-stream", "buffer": content}
        self.page.set_input_files(f"#id_{field}", file)
        self.clicks += 2

    def sees(self, text):
        expect(self.page.locator("main")).to_contain_text(text, timeout=20_000)


def work():
    """What a worker does, until nothing waits."""
    while perform_next(QUEUES):
        pass


def a_zip(files):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


def real_images():
    """Six for testing and one for training for each prompt."""
    table = io.StringIO()
    rows = csv.writer(table)
    rows.writerow(["image", "split", "caption"])
    files = {}
    for number in range(7 * len(PROMPTS)):
        name, (prompt, _) = f"{number}.png", PROMPTS[number // 7]
        rows.writerow([name, "train" if number % 7 == 6 else "test", prompt])
        files[f"images/{name}"] = encode(picture(number, size=64), "PNG")
    return a_zip({"captions.csv": table.getvalue(), **files})


def prompts():
    table = io.StringIO()
    csv.writer(table).writerows([("prompt", "rephrasing"), *PROMPTS])
    return table.getvalue().encode()


def sampled(seed):
    """A folder for each prompt and rephrasing, named by its number."""
    return a_zip(
        {
            f"{prompt}/{n}.png": encode(picture(10_000 * seed + 100 * prompt + n, size=64), "PNG")
            for prompt in range(1, 2 * len(PROMPTS) + 1)
            for n in range(IMAGES_A_SET)
        }
    )


def accept(browser, link):
    """A reader, in a browser of their own."""
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(link)
        page.fill("#id_username", "bob")
        page.fill("#id_email", "bob@example.org")
        page.fill("#id_password1", "folds-and-polyps")
        page.fill("#id_password2", "folds-and-polyps")
        page.click("text=Set up my account and accept")

        page.wait_for_url("**/read/**")


def test_from_sign_up_to_a_running_study(page, browser, live_server, settings):
    settings.ALLOWED_HOSTS = ["localhost", "127.0.0.1", "[::1]"]  # as on one machine
    walk, problems = Walk(page), {}

    def look(name):
        found = Axe().run(page)
        if found.violations_count:
            problems[name] = found.generate_report()

    page.goto(live_server.url)
    walk.fill(username="olga", email="olga@example.org")
    walk.fill(password1="polyps-and-folds", password2="polyps-and-folds")
    walk.click("Make the first account")
    walk.sees("From nothing to a running study")
    look("first steps")

    walk.follow("Upload real images")
    walk.fill(name="Polyps", source="Our ward", licence="CC BY 4.0")
    walk.choose("archive", "polyps.zip", real_images())
    walk.click("Upload and check")
    walk.sees("Waiting for a worker")
    look("upload")
    work()
    walk.sees("24 test, 4 train images, 4 captions")
    walk.follow("Look at the images")
    look("data set")

    walk.follow("Studies")
    walk.follow("Add prompts from a CSV")
    walk.fill(name="Our prompts")
    walk.choose("file", "prompts.csv", prompts())
    walk.click("Check")
    walk.sees("4 prompts, not stored yet")
    look("prompts checked")
    walk.click("Store 4 prompts")
    walk.sees("4 of 4 prompts have one")
    look("prompts")

    walk.follow("Import images")
    for seed, name in enumerate(GENERATORS, 1):
        walk.fill(name=name, source="Their authors")
        expect(page.locator("#id_prompts")).to_have_value("our-prompts")
        walk.choose("archive", f"{name}.zip", sampled(seed))
        walk.click("Upload and check")
        work()
        walk.sees(f"Imported “{name}”: 80 images")
        if name != GENERATORS[-1]:
            walk.follow("Import another generator’s")

    walk.follow("New study")
    walk.fill(title="Which polyps look real")
    for name in GENERATORS:
        walk.check(name)
    walk.sees("It can find")
    look("new study")
    walk.click("Make study")
    walk.sees("“Which polyps look real” is made.")
    look("draft")

    walk.follow("Look through the references")
    look("references")
    walk.follow("To the study")
    walk.click("Use the imported images")
    walk.follow("Look through the images")
    walk.follow("Which polyps look real")
    walk.click("I have looked: all is well")
    walk.follow("Seal study…")
    walk.click("Seal study")
    walk.sees("There is no reader yet")
    walk.click("Invite")  # without an address: a link to copy
    walk.sees("An invitation waits to be accepted")
    look("sealed")
    accept(browser, page.locator("main input[readonly]").input_value())
    page.reload()
    walk.click("Open to readers")
    walk.sees("The study is being opened")
    work()
    walk.sees("0 of 1 readers are done")
    look("running")
    assert Study.objects.get().state == Study.State.RUNNING
    assert not problems
    print("clicks, fields, pages:", walk.clicks, walk.fields, walk.pages)
    assert walk.clicks <= MOST_CLICKS
    assert walk.pages <= MOST_PAGES
