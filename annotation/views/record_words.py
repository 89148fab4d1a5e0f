"""A study's record of acts in words."""

from annotation.models import AuditEvent, Study
from annotation.signs import RULES

# An audit event's act and detail.
RECORD = {
    "renew record": "began a new chain of this record; the digest of the one before was {before}",
    "create": "made the study: {cases} cases, {arms} arms",
    "change": "changed the draft: {cases} cases, {arms} arms",
    "change references": "changed the references of case {case}",
    "add reader": "added {user} as reader {reader}",
    "invite": "invited {whom}",
    "renew invitation": "renewed the invitation of {whom}",
    "revoke invitation": "revoked the invitation of {whom}",
    "accept invitation": "accepted the invitation of {whom} as reader {reader}",
    "consent": "agreed to version {version} of the consent text as reader {reader}",
    "pause reader": "paused reader {reader}",
    "resume reader": "let reader {reader} go on",
    "remind": "reminded {readers}",
    "look into": "looked into “{title}” of reader {reader}: “{note}”",
    "add member": "made {user} {role} of the study",
    "remove member": "ended the part of {user} as {role}",
    "erase reader": "erased who reader {reader} is",
    "revoke reader": "ended the part of reader {reader}: “{reason}”",
    "generate": "asked for the images",
    "leave out": "left out case {case}, “{prompt}”: “{reason}”",
    "bring back": "brought back case {case}, “{prompt}”",
    "sample again": "had a set of case {case} sampled again: “{reason}”",
    "dry run": "had simulated readers fill a copy (dry run {number})",
    "delete dry run": "deleted dry run {number}",
    "check": "confirmed the images",
    "seal": "sealed the study",
    "audit": "audited the blinding: {verdict}",
    "open": "opened the study to readers",
    "finish": "finished as reader {reader}",
    "close": "closed the study: {submitted} of {planned} cases handed in",
    "unblind": "unblinded the study: “{reason}”",
}
# Acts whose reasons may say what an arm is like.
OF_ARMS = {"leave out", "sample again", "unblind"}


def record_of(study: Study, *, blinded: bool = False) -> list[tuple[AuditEvent, str]]:
    """The events, newest first, and what each says; `blinded`, nothing that might tell an arm."""
    return [(event, event_words(event, blinded=blinded)) for event in study.events.order_by("-pk")]


def event_words(event: AuditEvent, *, blinded: bool = False) -> str:
    told = event.told
    if blinded and event.act in OF_ARMS:
        told["reason"] = "kept from monitors"
    if "rule" in told:
        told["title"] = RULES[told["rule"]][1] if told["rule"] in RULES else told["rule"]
    return RECORD.get(event.act, event.act).format(**told)
