"""How a study was made, and where its report leaves the plan: in words, for the report."""

from annotation.cases import last_left_out
from annotation.models import Reader, Study
from annotation.names import people_of
from annotation.plan_words import NO_PLAN
from annotation.protocols import Protocol

Line = tuple[str, str]
LEFT_OUT, SAMPLED_AGAIN = "Left out before sealing", "Sampled again before sealing"
# Lines that hold what a person wrote, and so may name somebody.
IN_WORDS = (LEFT_OUT, SAMPLED_AGAIN)


def design_lines(study: Study) -> list[Line]:
    """Design and blinding, as far as they are facts of the study."""
    protocol = study.protocol
    counted = study.cases.filter(practice=False)
    rephrased = counted.exclude(prompt__rephrasing_of=None).count()
    arms = list(study.arms.select_related("generator"))
    made = sum(1 for arm in arms if arm.generator)
    hidden = ", and real images hidden among them" if len(arms) > made else ""
    lines = [
        ("Cases", f"{counted.count()}, of which {rephrased} show a rephrasing of another’s prompt"),
        ("Arms", f"{made} generator{'' if made == 1 else 's'}{hidden}"),
        ("Shown", _shown(protocol)),
        ("Beside the cases", _beside(protocol)),
        (
            "Blinding",
            "readers saw letters, given to arms anew for every reader and case and balanced over "
            "places, no name or file of a generator, and every image encoded alike",
        ),
    ]
    return [*lines, *_before_sealing(study), *_events(study)]


def _before_sealing(study: Study) -> list[Line]:
    """Cases and sets that somebody looked at and took out, and why; nobody by name."""
    lines, names = [], people_of(study)
    events = [*last_left_out(study), *study.events.filter(act="sample again").order_by("number")]
    for event in events:
        told = event.told
        what, said = (
            (LEFT_OUT, f"case {told['case']}, “{told['prompt']}”")
            if event.act == "leave out"
            else (SAMPLED_AGAIN, f"{told['arm']} in case {told['case']}")
        )
        lines.append((what, f"{said}: {names.masked(told.get('reason', ''))}"))
    return lines


def _shown(protocol: Protocol) -> str:
    images = f"{protocol.images_per_set} image{'' if protocol.images_per_set == 1 else 's'} a set"
    sets = "all sets of a case on one page" if protocol.together else "one set a page"
    real = (
        f", after {protocol.references_per_case} real images to compare with"
        if protocol.references_per_case
        else ""
    )
    ranked = ", scored and ranked" if protocol.ranking else ", scored"
    return f"{images}, {protocol.image_size} pixels wide; {sets}{real}{ranked}"


def _beside(protocol: Protocol) -> str:
    parts = [
        f"{protocol.practice} for practice, which count for nothing" if protocol.practice else "",
        f"{protocol.repeats:.0%} seen twice" if protocol.repeats else "",
        f"{protocol.checks} attention checks" if protocol.checks else "",
        "guesses at the end" if protocol.guess else "",
    ]
    return "; ".join(part for part in parts if part) or "nothing"


def _events(study: Study) -> list[Line]:
    said = [
        ("Sealed", study.sealed_at, "before the first reader"),
        ("Opened", study.opened_at, ""),
        ("Closed", study.closed_at, ""),
        ("Unblinded", study.unblinded_at, ""),
    ]
    lines = [
        (what, f"{at:%-d %B %Y}{f', {beside}' if beside else ''}")
        for what, at, beside in said
        if at
    ]
    audit = study.events.filter(act="audit").order_by("-pk").first()
    if audit and audit.detail.get("verdict"):
        lines.append(("Audit of blinding", str(audit.detail["verdict"])))
    return lines


def departures(study: Study, *, embedder: str, resamples: int, seed: int) -> list[str]:
    """Where the report, or the study itself, left what was written down in advance."""
    plan = study.protocol.plan
    found = []
    if plan is None:
        found.append(NO_PLAN)
    else:
        for what, planned, used in (
            ("embedder", plan.embedder, embedder),
            ("number of resamples", f"{plan.resamples:,}", f"{resamples:,}"),
            ("seed", plan.seed, seed),
        ):
            if planned not in ("", used):
                found.append(f"The plan’s {what} is {planned}; this report used {used}.")
    if study.unblinded_at and (not study.closed_at or study.unblinded_at < study.closed_at):
        found.append("Results by arm were unblinded before the study was closed.")
    revoked = study.readers.filter(state=Reader.State.REVOKED).count()
    if revoked:
        found.append(
            f"The part of {revoked} reader{'' if revoked == 1 else 's'} was revoked; what they "
            "answered is left out."
        )
    return found
