"""How long the reading page makes its readers wait, in a real browser on loopback.

    python -m benchmarks.reading [--pairs 20] [--readers mouse keyboard touch] [--side 256]

Makes the paper's study (40 cases, three sets of ten images, six references, six criteria, a
ranking) in a new folder, serves it by gunicorn as README says, and reads it to the end in headless
Chromium: by mouse and by keyboard at 1440 x 900, by finger at 768 x 1024. Prints, for each reader:

- an action: from the moment of the input to the first picture after it, in the page's own clock;
- to the next case: from “Next” until its images, the references, stand on the screen; the reader
  presses it when these have been fetched beforehand, which takes less time than reading a case;
- to the sets: from “Go on to the sets” until the images of set A stand there;
- bytes a case: what came over the wire for pages, scripts, images and answers, by the browser.

Then it compares what is stored with what was given.
"""

import argparse
import os
import statistics
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from benchmarks.serving import a_picture, serve, set_up

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"]
LETTERS = "ABC"
READERS = ("mouse", "keyboard", "touch")
# Notes each input with its picture, and the time from a navigation's input to its images.
PROBE = """
(() => {
  window.actions = [];
  const began = Number(sessionStorage.getItem("began"));
  const now = () => performance.timeOrigin + performance.now();
  const painted = (then) => requestAnimationFrame(() => setTimeout(then));
  for (const name of ["click", "keydown"])
    addEventListener(name, (event) => {
      if (!event.isTrusted) return;
      const at = event.timeStamp;
      sessionStorage.setItem("began", performance.timeOrigin + at);
      painted(() => window.actions.push(performance.now() - at));
    }, true);
  addEventListener("DOMContentLoaded", () => {
    const seen = () => [...document.querySelectorAll(".grid img")].filter((i) => i.clientWidth);
    const look = () => {
      if (document.querySelector("#answers") && !document.querySelector(".scale.marked")
          || !seen().every((i) => i.complete && i.naturalWidth)) return setTimeout(look, 1);
      Promise.all(seen().map((i) => i.decode())).then(() => painted(() => {
        window.waited = began ? now() - began : 0;
      }));
    };
    look();
  });
})();
"""

UNFETCHED = """(() => {
  const got = new Set(performance.getEntriesByType("resource").map((entry) => entry.name));
  const wanted = [...document.querySelectorAll("link[rel=prefetch]")];
  return wanted.filter((link) => !got.has(link.href)).length;
})()"""


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--pairs", type=int, default=20, help="of prompts, two cases each")
    parser.add_argument("--side", type=int, default=256, help="pixels of a presented image")
    parser.add_argument("--readers", nargs="+", choices=READERS, default=READERS)
    return parser.parse_args()


def values(position: int, letter: str) -> list[int]:
    """The six scores that are given to a set, different in each case."""
    return [(position + 3 * LETTERS.index(letter) + 2 * i) % 11 for i in range(6)]


class Session:
    """One reader at work, and what the browser measured."""

    def __init__(self, browser: Browser, base: str, study: str, way: str) -> None:
        small = {"width": 768, "height": 1024}
        touch = way == "touch"
        self.context = browser.new_context(
            viewport=small if touch else {"width": 1440, "height": 900},
            has_touch=touch,
            is_mobile=touch,
        )
        self.context.add_init_script(PROBE)
        self.page: Page = self.context.new_page()
        self.way = way
        self.actions: list[float] = []
        self.to_case: list[float] = []
        self.to_sets: list[float] = []
        self.bytes = 0
        client = self.context.new_cdp_session(self.page)
        client.send("Network.enable")
        client.on("Network.loadingFinished", self._count)
        self.page.goto(f"{base}/accounts/login/")
        self.page.fill("#id_username", way)
        self.page.fill("#id_password", way)
        self.page.click("main button[type=submit]")
        self.page.wait_for_url(lambda url: "login" not in url)
        self.bytes = 0
        self.page.goto(f"{base}/read/{study}/1/")

    def _count(self, event: dict[str, float]) -> None:
        self.bytes += int(event["encodedDataLength"])

    def press(self, target: Locator) -> None:
        target.tap() if self.way == "touch" else target.click()

    def read_case(self, position: int) -> None:
        self._waited(self.to_case if position > 1 else [])
        go_on = self.page.get_by_role("button", name="Go on to the sets")
        self.page.keyboard.press("Enter") if self.way == "keyboard" else self.press(go_on)
        expect(self.page.locator(".scale.marked")).to_be_visible()
        self._waited(self.to_sets)
        self.page.evaluate("actions.length = 0")
        self._by_keys(position) if self.way == "keyboard" else self._by_hand(position)
        expect(self.page.locator("#status")).to_have_text("Saved ✓")
        self.actions += self.page.evaluate("actions")
        while self.page.evaluate(UNFETCHED):  # a person takes longer over a case than this
            time.sleep(0.02)
        before = self.page.url
        move = self.page.locator(".moves button")
        self.page.keyboard.press("n") if self.way == "keyboard" else self.press(move)
        self.page.wait_for_url(lambda url: url != before)

    def _waited(self, times: list[float]) -> None:
        # The page's policy forbids the eval that wait_for_function would ask with.
        while (waited := self.page.evaluate("window.waited")) is None:
            time.sleep(0.01)
        times.append(waited)

    def _by_keys(self, position: int) -> None:
        for letter in LETTERS:
            for value in values(position, letter):
                self.page.keyboard.press("x" if value == 10 else str(value))
        for letter in ranking(position).lower():
            self.page.keyboard.press(letter)

    def _by_hand(self, position: int) -> None:
        for letter in LETTERS:
            self.press(self.page.locator(f"[data-show={letter}]"))
            scales = self.page.locator(f"[data-rubric={letter}] .scale")
            for i, value in enumerate(values(position, letter)):
                self.press(scales.nth(i).locator(f'label:has([value="{value}"])'))
        for letter in ranking(position):
            self.press(self.page.locator(f"[data-card={letter}] .card-name"))


def ranking(position: int) -> str:
    """The order that is given in a case."""
    turn = position % len(LETTERS)
    return LETTERS[turn:] + LETTERS[:turn]


def wrong_answers(way: str) -> int:
    """How many readings of a reader don't hold exactly what was given."""
    from annotation.models import Reading
    from annotation.readings import reading_state

    wrong = 0
    for reading in Reading.objects.filter(reader__user__username=way):
        state = reading_state(reading)
        given = {letter: values(reading.position, letter) for letter in LETTERS}
        stored = {letter: list(scores.values()) for letter, scores in state["scores"].items()}
        tiers = [[letter] for letter in ranking(reading.position)]
        wrong += stored != given or state["ranking"] != tiers or not reading.submitted_at
    return wrong


def report(session: Session, cases: int, seconds: float) -> None:
    def line(times: list[float]) -> str:
        ordered = sorted(times)
        most = ordered[int(0.95 * len(ordered))]
        return f"{statistics.median(times):.0f} ms (95 % within {most:.0f})"

    print(f"{session.way}: {cases} cases in {seconds:.0f} s")
    print(f"  an action         {line(session.actions)}, {len(session.actions)} actions")
    print(f"  to the next case  {line(session.to_case)}")
    print(f"  to the sets       {line(session.to_sets)}")
    print(f"  bytes a case      {session.bytes / cases / 1000:.0f} kB")
    wrong = wrong_answers(session.way)
    print(f"  stored as given   {cases - wrong} of {cases}", flush=True)


def main() -> None:
    args = arguments()
    cases = 2 * args.pairs
    with TemporaryDirectory() as folder, sync_playwright() as playwright:
        set_up(Path(folder))
        from tests import builders

        builders.png = a_picture
        protocol = builders.a_protocol(
            images_per_set=10, references_per_case=6, image_size=args.side
        )
        study = builders.a_study(
            pairs=args.pairs, readers=args.readers, protocol=protocol, size=args.side
        )
        server, base = serve()
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        try:
            for way in args.readers:
                session = Session(browser, base, study.slug, way)
                began = time.perf_counter()
                for position in range(1, cases + 1):
                    session.read_case(position)
                report(session, cases, time.perf_counter() - began)
                session.context.close()
        finally:
            browser.close()
            server.kill()
        print(f"load of the machine at the end: {os.getloadavg()[0]:.1f}, {os.cpu_count()} CPUs")


if __name__ == "__main__":
    main()
