"""Names of a study's people in what somebody wrote: found, and replaced.

Erasing, reports and archives all mask by `Names`, so that a name stays nowhere that it left
elsewhere.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator

from django.contrib.auth.models import User
from django.db.models import Q

from annotation.models import Study
from annotation.placeholders import is_placeholder

NAMELESS = "[name]"
ADDRESS = re.compile(r"[\w.+-]+@[\w-]+(\.[\w-]+)+")
SHORTEST = 3  # letters; shorter names are found in any text
# Words of reasons and comments that are names, or accounts, too; none that is a surname first.
_WORDS = """
admin adviser an april art august autumn ban bell best bill bin bird black blue brook bush can case
chance clay clear cliff clinician crystal dawn day demo doctor don drew early earnest east expert
fair faith fan field fields fish forest frank free french frost gang gene gold golden good grace
gran grant grave gray green grey guest guy hall hand hang hard head heart hill home hope house hunt
image images joy june justice key kind king lake lane law light little long lord love low major man
march mark marks max may mild miles mill min mine moon moss norm north olive owner page paris park
part pat penny pin ping pole pool post power price ran ray read reader red research researcher rich
rise river rob rock roman root rose rush sand sang set sharp short sing skip sky small smart snow so
song south spring star stark steel stern stone storm stout street strong student study sue summer
sun sweet tan tang tap test tester tong top tower true user van wall wan ward water way well wells
west white wild will wing winter wise won wood word work worth young
вера врач лев любовь май марк мир надежда роза роман слава читатель эксперт эра
"""
WORDS = frozenset(_WORDS.split())
_ACCOUNTS = {"actor", "user"}  # what an event calls accounts
_LIKE = {mark: f"[{marks}]" for marks in ("'’ʼ", "‐‑-") for mark in marks}  # one typed for another
# What stands before a word within a sentence; a title’s full stop ends none.
_WITHIN = r"(?:(?<=[\w,;)] )|(?<=\bMr\. )|(?<=\bMs\. )|(?<=\bMrs\. )|(?<=\bDr\. )|(?<=\bProf\. ))"


class Names:
    """Names and addresses to be masked in texts.

    Whole words, in any case: accounts, addresses, first and last names and both together. A name
    that is also a word (“Will”, “An”; `WORDS`), has fewer than `SHORTEST` letters or is a number is
    masked by itself only where it stands with its capital within a sentence: “asked Will” is, “will
    be done” and “Will do.” aren't. In small letters it is taken for the word; where it begins a
    sentence, `doubtful` says so, for a person to read. In what leaves the study nobody reads it
    first, so there it is masked wherever it has its capital. A word that `WORDS` lacks is masked
    too often, never too seldom. Nicknames, initials and inflected forms are not known.
    """

    def __init__(self, names: Iterable[str], *, leaving: bool = False) -> None:
        """
        Args:
            leaving: mask also what is doubtful, and every e-mail address, whoever's it is.
        """
        known = {
            unicodedata.normalize(form, " ".join(name.split()))
            for name in names
            for form in ("NFC", "NFD")
        } - {""}
        words = {name for name in known if _is_word(name)}
        self._leaving = leaving
        self._sure = _any_of(known - words, _whole, re.IGNORECASE)
        self._capital = _any_of(words, _capital)
        self._words = self._capital if leaving else _any_of(words, _within)

    def masked(self, text: str) -> str:
        """The text with `NAMELESS` in place of every name."""
        if self._leaving:
            text = ADDRESS.sub(NAMELESS, text)
        return self._words.sub(NAMELESS, self._sure.sub(NAMELESS, text))

    def doubtful(self, text: str) -> bool:
        """Whether, all names masked, a word stays that may be one."""
        return bool(self._capital.search(self.masked(text)))


def names_of(user: User) -> Iterator[str]:
    """What somebody is called, as far as it is known here."""
    full = user.get_full_name()
    yield from (user.username, user.email, full, user.first_name, user.last_name)
    yield from (part for part in full.split() if part[0].isupper())  # not the “van” in “van Gogh”


def people_of(study: Study) -> Names:
    """Of all who own, run, monitor or read a study, or did, and whoever else acted in it: for what
    leaves it."""
    events = list(study.events.all())
    accounts = {
        event.personal[key]["text"] for event in events for key in _ACCOUNTS & {*event.personal}
    }
    people = User.objects.filter(
        Q(pk=study.owner_id)
        | Q(memberships__study=study)
        | Q(reader_roles__study=study)
        | Q(pk__in={event.actor_id for event in events if event.actor_id})
        | Q(username__in=accounts)
    ).distinct()
    names = {name for user in people if not is_placeholder(user) for name in names_of(user)}
    return Names(accounts | names, leaving=True)


def _is_word(name: str) -> bool:
    shortest = 2 if _uncased(name) else SHORTEST
    return name.casefold() in WORDS or name.isdigit() or len(name) < shortest


def _uncased(name: str) -> bool:
    """Of a script without capitals, such as Chinese, which sets no spaces between words either."""
    return name.isalpha() and name.lower() == name.upper()


def _any_of(
    names: set[str], pattern: Callable[[str], str], flags: re.RegexFlag = re.NOFLAG
) -> re.Pattern[str]:
    """The longest first: “Anna Lee” before “Anna”."""
    ordered = sorted(names, key=lambda name: (-len(name), name))
    return re.compile("|".join(map(pattern, ordered)) or "(?!)", flags)


def _whole(name: str) -> str:
    found = r"\s+".join(
        "".join(_LIKE.get(char) or re.escape(char) for char in word) for word in name.split(" ")
    )
    return found if _uncased(name) else rf"(?<!\w){found}(?!\w)"


def _within(name: str) -> str:
    """With its capital, after another word; “Don’t” is no Don."""
    return rf"{_WITHIN}{re.escape(name.capitalize())}(?!\w|['’](?!s\b)\w)"


def _capital(name: str) -> str:
    forms = {name.capitalize(), name.upper()}
    return rf"(?<!\w)(?:{'|'.join(map(re.escape, sorted(forms)))})(?!\w|['’](?!s\b)\w)"
