"""What the reading page's scripts say, in the reader's language."""

from django.utils.translation import gettext as _

from annotation.models import Flag

Reason = Flag.Reason


def flag_reasons() -> list[tuple[str, str]]:
    """(value, label) of all reasons for which a reader flags an image."""
    return [
        (Reason.ARTEFACT, _("artefact")),
        (Reason.ANATOMY, _("implausible anatomy")),
        (Reason.TEXT, _("identifiable text")),
        (Reason.OTHER, _("other")),
    ]


def reading_texts() -> dict[str, str]:
    """Texts by key; braces name what the scripts put in, numbers where they need no plural."""
    return {
        # What is saved
        "saving": _("Saving…"),
        "saved": _("Saved ✓"),
        "refused": _("Not saved: {why}"),
        "offline": _("Offline. Kept here and sent later: {n}"),
        "stranger": _("{why}. Kept here: {n}. Sign in again and come back:"),
        "signedOut": _("You were signed out"),
        "somebody": _("Somebody else is signed in"),
        "closed": _("This study is not open to you now, or somebody else is signed in"),
        "wait": _("Your answers wait in this browser. Go on as soon as they are saved."),
        "undone": _("Undone: the answer before counts again."),
        "undoFirst": _("There was no answer before: choose another one."),
        "undoNothing": _("There is nothing to undo on this page."),
        # What is missing
        "count": _("{n} missing"),
        "complete": _("complete ✓"),
        "missing": _("Missing: {list}"),
        "missingInSet": _("{n} in set {letter}"),
        "missingRanking": _("the ranking"),
        "contradiction": _(
            "Set {worse} has higher scores than set {better}, which is ranked before it. "
            "That is fine if you mean it."
        ),
        # The ranking
        "cardAt": _("{name}: rank {rank}. Arrow keys move it."),
        "cardNext": _("{name}: not ranked yet. Give it the next rank."),
        "better": _("{name}: rank it better"),
        "worse": _("{name}: rank it worse"),
        "tie": _("{name}: same rank as the one before, or not"),
        # Images
        "scale": _("Scale {scale}"),
        "gridScale": _("shown at {percent} %"),
        "imageOf": _("{name} of {n}"),
        # The screen
        "narrow": _("This window is {width} pixels wide."),
    }
