"""What commands say: words for people, or JSON for scripts."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand


def add_json(parser: ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON, for scripts")


def say(command: BaseCommand, words: str, data: dict[str, Any] | list[Any], *, json: bool) -> None:
    """The words, or with --json the data: then nothing else goes to standard output."""
    command.stdout.write(as_json(data) if json else words)


def as_json(data: Any) -> str:
    """Indented, texts as they are, times as ISO 8601."""
    return json.dumps(data, indent=2, ensure_ascii=False, default=_iso)


def _iso(value: Any) -> str:
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
