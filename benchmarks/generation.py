"""Images a second: Blindread's worker, its sampler alone, and the loop that a user would write.

    python -m benchmarks.generation [FAMILY …] [--rounds 3] [--prompts 5]
    python -m benchmarks.generation --published [--size 512] [FAMILY …]

All three make 10 images of each prompt from the same checkpoint, with the same settings, number
format and threads; they take turns, so that whatever else the machine does slows all of them. The
worker is a real ``manage.py worker`` on a fresh database and the embedded queue. By default the
families are small and on the CPU. ``--published`` takes Stable Diffusion 1.4, Kandinsky 2.2 and
FLUX.1-dev in full size, with random weights, in bfloat16 on a CUDA GPU that has room for two
copies of them (FLUX: 68 GB, and 34 GB of disk).
"""

import argparse
import os
from pathlib import Path
from tempfile import TemporaryDirectory

FAMILIES = ("stable_diffusion", "kandinsky", "flux", "msdm")
NO_GPU = "No CUDA GPU here: the published sizes (--published) were not run."


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("families", nargs="*", metavar="FAMILY", help=", ".join(FAMILIES))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--prompts", type=int, default=5, help="10 images of each in every round")
    parser.add_argument("--published", action="store_true", help="in full size, on a GPU")
    parser.add_argument("--size", type=int, help="pixels a side (128, MSDM 64, published 256)")
    parser.add_argument("--steps", type=int, help="(4, MSDM 10, published its own)")
    args = parser.parse_args()
    if unknown := set(args.families) - set(FAMILIES):
        parser.error(f"no family {', '.join(unknown)}; there are: {', '.join(FAMILIES)}")
    args.families = args.families or (FAMILIES[:3] if args.published else FAMILIES)
    return args


def set_up(folder: Path, device: str) -> None:
    """Django on an empty data directory, for this process and the worker alike."""
    os.environ.update(
        DJANGO_SETTINGS_MODULE="config.settings",
        DATA_DIR=str(folder),
        MEDIA_ROOT=str(folder / "media"),
        DATABASE_URL=f"sqlite:///{folder / 'db.sqlite3'}",
        BROKER_URL=f"sqla+sqlite:///{folder / 'queue.sqlite3'}",
        STORAGE_BUCKET="",
        DEVICE=device,
        OMP_WAIT_POLICY="passive",  # as the worker has it
    )
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)


def main() -> None:
    args = arguments()
    with TemporaryDirectory() as folder:
        set_up(Path(folder), "cuda" if args.published else "cpu")
        import torch

        from benchmarks.contest import contest  # its models need Django set up

        gpu = torch.cuda.is_available()
        if gpu or not args.published:
            contest(args, Path(folder))
        if not gpu:
            print(NO_GPU)


if __name__ == "__main__":
    main()
