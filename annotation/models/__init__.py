from annotation.models.accounts import Preference
from annotation.models.answers import Comment, Flag, Guess, Ranking, Score
from annotation.models.audit import AuditEvent
from annotation.models.blinding_audits import BlindingAudit
from annotation.models.invitations import Invitation, ResearcherInvitation
from annotation.models.members import Member
from annotation.models.protocols import SavedProtocol
from annotation.models.readings import Activity, Reader, Reading, ReadingSet, ShownImage
from annotation.models.studies import Arm, Case, CaseImage, CaseReference, CaseSet, Study

__all__ = [
    "Activity",
    "Arm",
    "AuditEvent",
    "BlindingAudit",
    "Case",
    "CaseImage",
    "CaseReference",
    "CaseSet",
    "Comment",
    "Flag",
    "Guess",
    "Invitation",
    "Member",
    "Preference",
    "Ranking",
    "Reader",
    "Reading",
    "ReadingSet",
    "ResearcherInvitation",
    "SavedProtocol",
    "Score",
    "ShownImage",
    "Study",
]
