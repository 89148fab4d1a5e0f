"""What a report costs: the paper's design, real features of small drawn images, twice.

    python -m benchmarks.report [--pairs 20] [--readers 5] [--resamples 10000]

Makes a study of 40 cases, three arms of ten images and five readers in a new folder, and computes
its report twice: the second time every image is known already. Then makes its PDF, as the worker
does after it, and asks for that on its page. Prints wall and processor time of each, and how many
images were embedded.
"""

import argparse
import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.serving import set_up


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--pairs", type=int, default=20, help="of prompts, two cases each")
    parser.add_argument("--readers", type=int, default=5)
    parser.add_argument("--resamples", type=int, default=10_000)
    return parser.parse_args()


def main() -> None:
    options = arguments()
    with TemporaryDirectory() as folder:
        set_up(Path(folder))
        measure(options)


def measure(options: argparse.Namespace) -> None:
    from django.test import Client

    from analysis.models import Embedding, Report
    from analysis.pdf import keep_pdf
    from analysis.reports import compute_report
    from tests.analysis.builders import a_claimed_report, a_rated_study
    from tests.builders import a_protocol

    names = [f"reader-{i}" for i in range(options.readers)]
    protocol = a_protocol(images_per_set=10, references_per_case=6)
    study = a_rated_study(pairs=options.pairs, readers=names, protocol=protocol, size=64)
    print(f"{study.cases.count()} cases, {study.arms.count()} arms, {len(names)} readers, ", end="")
    print(f"{options.resamples} resamples, load {os.getloadavg()[0]:.1f}\n")
    print("| report | wall time | processor time | embedded |\n|---|---|---|---|")
    for name in ("first", "second"):
        report = a_claimed_report(study, resamples=options.resamples)
        known = Embedding.objects.count()
        taken = timed(partial(compute_report, report))
        report.end(Report.Status.DONE)
        print(f"| {name} | {taken} | {Embedding.objects.count() - known} |")
    print(f"| its PDF, by the worker | {timed(partial(keep_pdf, report))} | |")
    client = Client(SERVER_NAME="127.0.0.1")
    client.force_login(study.owner)
    ask = partial(client.get, f"/reports/{report.pk}/report.pdf")
    ask()  # loads what a process loads once
    print(f"| a request for it | {timed(ask)} | |")


def timed(act: Callable[[], object]) -> str:
    """Wall and processor time as two cells."""
    begun = time.perf_counter(), time.process_time()
    act()
    wall, cpu = time.perf_counter() - begun[0], time.process_time() - begun[1]
    return f"{wall:.3g} s | {cpu:.3g} s"


if __name__ == "__main__":
    main()
