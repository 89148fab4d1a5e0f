"""Read a whole study in headless Chromium, as a scripted reader, and time it.

    python -m benchmarks.read_study http://127.0.0.1:8000 STUDY USERNAME PASSWORD [SEED]

The reader sees what a person sees: the images that the page loads. It scores realism by how near a
set's colours and edges are to those of the references, diversity by how much the set's images
differ, the rest in between, with noise of its own; then it ranks by its scores. Prints the seconds
per case and from one case to the next. It is no clinician: its scores prove the way, not a model.
"""

import io
import statistics
import sys
import time

import numpy as np
from PIL import Image
from playwright.sync_api import Page, expect, sync_playwright

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"]


def features(page: Page, selector: str) -> np.ndarray:
    """(n, 7): mean and spread of each colour, and edge strength, of the images shown."""
    rows = []
    for address in page.eval_on_selector_all(selector, "images => images.map(i => i.src)"):
        with Image.open(io.BytesIO(page.request.get(address).body())) as image:
            pixels = np.asarray(image.convert("RGB"), float) / 255
        edges = np.abs(np.diff(pixels.mean(2), axis=0)).mean() * 10
        rows.append([*pixels.mean((0, 1)), *pixels.std((0, 1)), edges])
    return np.array(rows)


def judge(page: Page, letter: str, rng: np.random.Generator) -> list[int]:
    """Six scores from 0 to 10 for one set."""
    real = features(page, ".references img")
    made = features(page, f'[data-set="{letter}"] img')
    realism = 10 * np.exp(-3 * np.linalg.norm(made.mean(0) - real.mean(0)))
    diversity = 10 * min(1.0, made.std(0).mean() / real.std(0).mean())
    mixed = (realism + diversity) / 2
    wanted = np.array([realism, mixed, mixed, realism, diversity, realism])
    return [int(s) for s in np.clip(np.round(wanted + rng.normal(0, 1, 6)), 0, 10)]


def read_case(page: Page, rng: np.random.Generator) -> None:
    page.get_by_role("button", name="Go on to the sets").click()
    expect(page.locator(".scale.marked")).to_be_visible()
    letters = page.eval_on_selector_all("[data-rubric]", "all => all.map(r => r.dataset.rubric)")
    totals = {}
    for letter in letters:
        scores = judge(page, letter, rng)
        totals[letter] = sum(scores)
        page.click(f'[data-show="{letter}"]')
        scales = page.locator(f'[data-rubric="{letter}"] .scale')
        for i, score in enumerate(scores):
            scales.nth(i).locator(f'input[value="{score}"]').check(force=True)
    for letter in sorted(totals, key=totals.get, reverse=True):
        page.click(f'[data-card="{letter}"] .card-name')
    expect(page.locator("#status")).to_have_text("Saved ✓")


def main(base: str, study: str, username: str, password: str, seed: str = "0") -> None:
    rng = np.random.default_rng(int(seed))
    cases, moves = [], []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.goto(f"{base}/accounts/login/")
        page.fill("#id_username", username)
        page.fill("#id_password", password)
        page.click("main button[type=submit]")
        page.goto(f"{base}/read/{study}/")
        page.locator("main .btn-primary").first.click()
        while page.get_by_role("button", name="Go on to the sets").count():
            started = time.perf_counter()
            read_case(page, rng)
            cases.append(time.perf_counter() - started)
            started = time.perf_counter()
            page.locator(".moves button[type=submit]").click()
            page.wait_for_load_state("load")
            moves.append(time.perf_counter() - started)
        expect(page.get_by_text("Done. Thank you.")).to_be_visible()
        browser.close()
    print(
        f"{username}: {len(cases)} cases in {sum(cases):.0f} s; "
        f"a case {statistics.median(cases):.1f} s, "
        f"to the next case {1000 * statistics.median(moves):.0f} ms (medians)"
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
