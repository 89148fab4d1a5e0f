"""What a report costs: the paper's design, real features of small drawn images, twice.

    python -m benchmarks.report [--pairs 20] [--readers 5] [--resamples 10000]

Makes a study of 40 cases, three arms of ten images and five readers in a new folder, and computes
its report twice: the second time every image is known already. Prints wall and processor time of
each, and how many images were embedded.
"""

import argparse
import os
import time
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
    from analysis.models import Embedding, Report
    from analysis.reports import perform_report
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
        begun = time.perf_counter(), time.process_time()
        perform_report(report)
        wall, cpu = time.perf_counter() - begun[0], time.process_time() - begun[1]
        report.end(Report.Status.DONE)
        new = Embedding.objects.count() - known
        print(f"| {name} | {wall:.1f} s | {cpu:.1f} s | {new} |")


if __name__ == "__main__":
    main()
