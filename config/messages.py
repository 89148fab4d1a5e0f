"""`make messages`: bring the catalogues in locale/ up to what templates and code mark as texts.

Babel does what Django's makemessages and compilemessages need GNU gettext for. New texts come in
without a translation; those that nothing marks any more go.
"""

import re
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

from babel.messages import Catalog
from babel.messages.extract import DEFAULT_KEYWORDS, extract, extract_python
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po
from django.utils.translation.template import templatize

from config.settings import BASE_DIR, LANGUAGES, LOCALE_PATHS

LOCALE = Path(LOCALE_PATHS[0])
MARKED = [
    ("templates", "*.html"),
    ("templates", "*.txt"),
    ("annotation", "*.py"),
    ("config", "*.py"),
    ("generation", "*.py"),
]
KEYWORDS = {**DEFAULT_KEYWORDS, "gettext_lazy": None, "ngettext_lazy": (1, 2)}


def extract_template(file, keywords, comment_tags, options) -> Iterator[tuple[Any, ...]]:
    """Babel's extractor of a Django template: what is no text in it becomes names that mean
    nothing, which Python can read once no line is indented."""
    source = templatize(file.read().decode())
    source = re.sub(r"(?m)^\s+", "", source)
    return extract_python(BytesIO(source.encode()), keywords, comment_tags, options)


def marked_texts() -> Catalog:
    """All that templates and code mark, untranslated."""
    catalog = Catalog(project="Blindread", copyright_holder="the Blindread authors")
    for folder, pattern in MARKED:
        method: str | Callable = "python" if pattern.endswith("py") else extract_template
        for path in sorted((BASE_DIR / folder).rglob(pattern)):
            with path.open("rb") as file:
                for _line, text, _comments, context in extract(method, file, KEYWORDS):
                    place = (str(path.relative_to(BASE_DIR)), 0)
                    catalog.add(text, locations=[place], context=context)
    return catalog


def read_catalogue(language: str) -> Catalog:
    """What is translated into a language so far: locale/LANGUAGE/LC_MESSAGES/django.po."""
    path = _folder(language) / "django.po"
    if not path.exists():
        return Catalog(locale=language, project="Blindread")
    return read_po(BytesIO(path.read_bytes()), locale=language)


def _folder(language: str) -> Path:
    return LOCALE / language / "LC_MESSAGES"


def main() -> None:
    texts = marked_texts()
    for language, _name in LANGUAGES[1:]:  # the first is what the texts are written in
        catalogue = read_catalogue(language)
        catalogue.update(texts, no_fuzzy_matching=True, update_creation_date=False)
        folder = _folder(language)
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "django.po").open("wb") as file:
            # No line numbers: they change with every edit.
            write_po(file, catalogue, include_lineno=False, ignore_obsolete=True, width=100)
        with (folder / "django.mo").open("wb") as file:
            write_mo(file, catalogue)
        lacking = sum(bool(text.id) and not any(_strings(text)) for text in catalogue)
        print(f"{language}: {len(catalogue)} texts, {lacking} without a translation")


def _strings(text) -> tuple[str, ...]:
    return text.string if isinstance(text.string, tuple) else (text.string,)


if __name__ == "__main__":
    main()
