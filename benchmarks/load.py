"""Thirty readers at once, from signing in to “Finish”, by the requests that the pages make.

    python -m benchmarks.load [--readers 30] [--pairs 20] [--arms 4] [--images 10] [--think 0]
        [--database postgres://postgres@127.0.0.1/blindread_load]

Makes the paper's study (its protocol with consent, practice and repeats) in a new folder, and on an
empty database where one is named, serves it by gunicorn with two workers of eight threads each, and
lets locust read it: every reader signs in, agrees, reads the guide, and for every case gets the
page, the references, the sets' page and all images, gives each score and the ranking, hands in, and
finishes in the end. An answer whose connection breaks is sent again, as the page does, and
counted. `--think` is the time in seconds between two answers; without it nobody ever
waits, which no people do: what is measured then is how much the server can do.

In the end every answer that was given is looked for in the database, where each must stand exactly
once and nothing else. Prints requests a second, and for each kind of request how long it took.
"""

# Before all others: it patches what blocks.
from locust import FastHttpUser, constant, task
from locust.env import Environment

# isort: split
import argparse
import json
import os
import random
import re
import time
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import gevent

from benchmarks.serving import a_picture, serve, set_up

IMAGE = re.compile(r'"(/read/[^"]+/image/[^"]+/)"')
READER = re.compile(r'data-reader="([^"]+)"')
RADIO = re.compile(r'name="score-([A-Z])-([a-z_]+)" value="(\d+)"')
ROWS = ["SIGN IN", "guide and consent", "page: references", "page: sets", "image", "score"]
ROWS += ["ranking", "activity", "hand in, to the next case", "finish"]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--readers", type=int, default=30)
    parser.add_argument("--pairs", type=int, default=20, help="of prompts, two cases each")
    parser.add_argument("--arms", type=int, default=4)
    parser.add_argument("--images", type=int, default=10, help="of a set")
    parser.add_argument("--think", type=float, default=0, help="seconds between two answers")
    parser.add_argument("--database", default="", help="URL of an empty one; SQLite by default")
    return parser.parse_args()


class ReaderOfAll(FastHttpUser):
    """One reader, from signing in to the end."""

    wait_time = constant(0)
    slug = ""
    think = 0.0
    names: list[str] = []
    given: dict[tuple[str, int], dict[str, object]] = {}  # by reader and position
    finished: set[str] = set()
    again = 0  # answers that were sent once more

    def on_start(self) -> None:
        self.name = self.names.pop()
        self.random = random.Random(self.name)
        self.last = 0

    @task
    def read(self) -> None:
        home = f"/read/{self.slug}/"
        self.get("/accounts/login/", "SIGN IN")
        self.post("/accounts/login/", {"username": self.name, "password": self.name}, "SIGN IN")
        text = self.get(home, "guide and consent")
        version = re.search(r'name="version" value="([^"]+)"', text)
        assert version, "there is no consent to give"
        self.post(f"{home}consent/", {"version": version[1]}, "guide and consent")
        text = self.post(f"{home}briefing/", {}, "guide and consent")
        while "references-large" in text:
            text = self.read_case(text)
        text = self.post(f"{home}finish/", {}, "finish")
        assert "Done. Thank you." in text, "the reader isn't through"
        self.finished.add(self.name)
        while True:
            gevent.sleep(60)  # until all are

    def read_case(self, text: str) -> str:
        """From the page of the references to that of the next case."""
        address = re.search(r'action="(/read/[^"]+/(\d+)/)references/"', text)
        assert address, "no case to read"
        case, position = address[1], int(address[2])
        for image in set(IMAGE.findall(text)):
            self.get(image, "image")
        seen = set(IMAGE.findall(text))
        text = self.post(f"{case}references/", {}, "page: sets")
        for image in set(IMAGE.findall(text)) - seen:
            if image.startswith(case):
                self.get(image, "image")
        reader = READER.search(text)
        assert reader
        scales: dict[tuple[str, str], list[int]] = {}
        for letter, criterion, value in RADIO.findall(text):
            scales.setdefault((letter, criterion), []).append(int(value))
        scores = {key: self.random.choice(values) for key, values in scales.items()}
        for (letter, criterion), value in scores.items():
            answer = {"letter": letter, "criterion": criterion, "value": value}
            self.give(f"{case}score/", answer, reader[1], "score")
        order = sorted({letter for letter, _ in scores})
        self.random.shuffle(order)
        self.give(f"{case}ranking/", {"tiers": "|".join(order)}, reader[1], "ranking")
        acts = [{"act": "active", "detail": {"seconds": 60}, "sequence": self.sequence()}]
        body = {"acts": json.dumps(acts), "reader": reader[1]}
        self.post(f"{case}activity/", body, "activity")
        self.given[self.name, position] = {"scores": scores, "tiers": [[one] for one in order]}
        return self.post(f"{case}submit/", {}, "hand in, to the next case")

    def give(self, address: str, answer: dict[str, object], reader: str, name: str) -> None:
        body = {**answer, "sequence": self.sequence(), "reader": reader}
        said = json.loads(self.post(address, body, name, persist=True))
        assert said == {"saved": True, "current": True}, said
        gevent.sleep(self.think)

    def sequence(self) -> int:
        self.last = max(time.time_ns() // 1_000_000, self.last + 1)
        return self.last

    def get(self, address: str, name: str) -> str:
        return self._checked(self.client.get(address, name=name))

    def post(
        self, address: str, body: dict[str, object], name: str, *, persist: bool = False
    ) -> str:
        token = next((c.value for c in self.client.cookiejar if c.name == "csrftoken"), "")
        headers = {"X-CSRFToken": token}
        response = self.client.post(address, data=body, headers=headers, name=name)
        while persist and not response.status_code:  # the connection broke: as reading-save.js
            ReaderOfAll.again += 1
            gevent.sleep(1)
            response = self.client.post(address, data=body, headers=headers, name=name)
        return self._checked(response)

    def _checked(self, response) -> str:
        if response.status_code != 200:
            raise RuntimeError(f"{response.status_code}: {(response.text or '')[:300]}")
        return "" if response.headers["Content-Type"] == "image/jpeg" else response.text


def a_study(args: argparse.Namespace):
    from annotation.protocols import load_protocol
    from tests import builders

    builders.png = a_picture
    protocol = replace(load_protocol("prompt-to-polyp"), images_per_set=args.images)
    names = [f"reader-{number}" for number in range(1, args.readers + 1)]
    study = builders.a_study(
        pairs=args.pairs, arms=args.arms, readers=names, protocol=protocol, size=256
    )
    return study, names


def wrong(given: dict[tuple[str, int], dict[str, object]]) -> list[str]:
    """What is not stored exactly once, or stored and was not given."""
    from annotation.models import Activity, Ranking, Reader, Reading, Score

    found = []
    scores: dict[tuple[str, int], dict[tuple[str, str], int | None]] = {}
    rows = Score.objects.values_list(
        "reading_set__reading__reader__user__username",
        "reading_set__reading__position",
        "reading_set__letter",
        "criterion",
        "value",
    )
    for name, position, letter, criterion, value in rows:
        stored = scores.setdefault((name, position), {})
        if (letter, criterion) in stored:
            found.append(f"{name} {position} {letter} {criterion} stands twice")
        stored[letter, criterion] = value
    rankings = list(
        Ranking.objects.values_list("reading__reader__user__username", "reading__position", "tiers")
    )
    tiers = {(name, position): order for name, position, order in rankings}
    if len(rankings) != len(tiers):
        found.append("rankings stand twice")
    if scores != {key: one["scores"] for key, one in given.items()}:
        found.append("scores differ")
    if tiers != {key: one["tiers"] for key, one in given.items()}:
        found.append("rankings differ")
    if Activity.objects.count() != len(given):
        found.append(f"{Activity.objects.count()} reports of activity, {len(given)} were sent")
    if Reading.objects.filter(submitted_at=None).exists():
        found.append("readings are not handed in")
    if Reader.objects.exclude(state=Reader.State.FINISHED).exists():
        found.append("readers are not through")
    if Reading.objects.count() != len(given):
        found.append(f"{len(given)} of {Reading.objects.count()} readings were read")
    return found


def main() -> None:
    args = arguments()
    with TemporaryDirectory() as folder:
        set_up(Path(folder), args.database)
        study, names = a_study(args)
        ReaderOfAll.slug, ReaderOfAll.think = study.slug, args.think
        ReaderOfAll.names = list(names)
        server, base = serve("--workers", "2", "--keep-alive", "65")
        load = os.getloadavg()[0]
        environment = Environment(user_classes=[ReaderOfAll], host=base, catch_exceptions=False)
        runner = environment.create_local_runner()
        began = time.perf_counter()
        try:
            runner.start(args.readers, spawn_rate=args.readers)
            runner.spawning_greenlet.join()
            while len(ReaderOfAll.finished) < args.readers and runner.user_count:
                gevent.sleep(0.5)
            seconds = time.perf_counter() - began
            runner.quit()
        finally:
            server.terminate()
            server.wait(20)
        report(args, environment, seconds)
        spent = os.times()
        print(
            f"processor: server {spent.children_user + spent.children_system:.0f} s, locust and "
            f"making the study {spent.user + spent.system:.0f} s; the machine’s load {load:.1f} at "
            f"the start, {os.getloadavg()[0]:.1f} at the end"
        )
        faults = wrong(ReaderOfAll.given)
        answers = sum(len(one["scores"]) + 1 for one in ReaderOfAll.given.values())  # type: ignore[arg-type]
        print("; ".join(faults) or f"all {answers} scores and rankings are stored exactly once")


def report(args: argparse.Namespace, environment: Environment, seconds: float) -> None:
    stats = environment.stats
    total = stats.total
    print(
        f"{args.readers} readers, {2 * args.pairs} cases, {args.arms} arms: {total.num_requests} "
        f"requests in {seconds:.0f} s, {total.num_requests / seconds:.0f} a second, "
        f"{total.num_failures} failed, {ReaderOfAll.again} answers were sent again"
    )
    for error in stats.errors.values():
        print(" ", error.to_name(), error.occurrences)
    for name in ROWS:
        for entry in (e for (row, _), e in stats.entries.items() if row == name):
            print(
                f"  {entry.method:4} {name:26} {entry.num_requests:6}  median "
                f"{entry.median_response_time:4.0f} ms, 95 % within "
                f"{entry.get_response_time_percentile(0.95):5.0f} ms"
            )


if __name__ == "__main__":
    main()
