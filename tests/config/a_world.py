"""Two studies with everything that the API has addresses of, and everyone who might ask."""

from dataclasses import dataclass

from analysis.models import (
    DryRun,
    Export,
    Figure,
    ImageFlag,
    Inspection,
    Neighbour,
    OwnRatings,
    Report,
    Restore,
)
from annotation.models import BlindingAudit, Invitation, Member, SavedProtocol, Study
from annotation.protocols import load_protocol
from generation.models import Proposal, Rephrasing, Training, Upload
from tests import builders

# Who may ask, as seen from alice's study.
CAST = [
    "owner", "co", "monitor", "reader", "other-owner", "other-reader", "nobody", "anonymous",
    "superuser",
]  # fmt: skip
_RESEARCHERS = {"helper", "owner", "co", "monitor", "other-owner", "nobody"}


def somebody(role):
    """The account of a role; None for nobody who is signed in."""
    if role == "anonymous":
        return None
    if role == "superuser":
        return builders.a_user("superuser", is_superuser=True, is_staff=True)
    return builders.a_user(role, researcher=role in _RESEARCHERS)


@dataclass
class World:
    """A study, and one of each thing that has an address of its own."""

    study: Study
    report: Report
    protocol: SavedProtocol
    training: Training
    invitation: Invitation
    inspection: Inspection
    rephrasing: Rephrasing
    proposal: Proposal
    upload: Upload
    export: Export
    restore: Restore
    dry_run: DryRun
    member: Member
    ratings: OwnRatings


def a_world(owner="owner", reader="reader", *, state=Study.State.RUNNING) -> World:
    """A study in this state, with a report that is done, of which the results are empty."""
    account = somebody(owner)
    study = builders.a_study(
        owner=account, title=f"Study of {owner}", pairs=1, readers=[reader], state=state
    )
    invitation = Invitation.objects.create(study=study, token=owner, invited_by=account)
    dataset = study.cases.first().prompt.dataset
    dataset.created_by = account
    dataset.save()
    done = {"created_by": account, "status": "done", "done": 1, "total": 1}
    BlindingAudit.objects.create(study=study, opens=True, **done)
    report = Report.objects.create(study=study, embedder="efficientnet-lite0", **done)
    Figure.objects.create(report=report, name="means", svg="<svg/>")
    protocol = {**load_protocol("medisyn").to_dict(), "key": "mine", "name": "Mine"}
    inspection = Inspection.objects.create(study=study, **done)
    shown = study.cases.first().sets.first()
    two = shown.images()[:2]
    ImageFlag.objects.create(
        inspection=inspection, case_set=shown, image=two[0], kind="dark", detail="Dark."
    )
    Neighbour.objects.create(inspection=inspection, image=two[0], training=two[1], distance=0.5)
    return World(
        study=study,
        report=report,
        protocol=SavedProtocol.objects.create(owner=account, name="Mine", data=protocol),
        training=Training.objects.create(
            name=f"Model of {owner}",
            family="msdm",
            dataset=dataset,
            preset="small",
            config={},
            output=f"training-{study.pk}",
            **done,
        ),
        invitation=invitation,
        inspection=inspection,
        rephrasing=Rephrasing.objects.create(dataset=dataset, source="rules", **done),
        proposal=Proposal.objects.create(
            prompt=dataset.prompts.first(), text="Draw some polyps.", origin="a rule"
        ),
        export=Export.objects.create(study=study, **done),
        restore=Restore.objects.create(file_name="x.zip", **done),
        member=Member.objects.create(study=study, user=somebody("helper"), role="monitor"),
        dry_run=DryRun.objects.create(
            study=study, readers={"expert": 1}, effects={"1": 0.0}, seed=1, **done
        ),
        ratings=OwnRatings.objects.create(title="Elsewhere", owner=account),
        upload=Upload.objects.create(kind="dataset", name="X", file_name="x.zip", **done),
    )


def join(study):
    """The co-investigator and the monitor of a study."""
    for role, part in (("co", "co-investigator"), ("monitor", "monitor")):
        Member.objects.create(study=study, user=somebody(role), role=part)
