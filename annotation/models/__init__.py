from annotation.models.answers import Comment, Flag, Guess, Ranking, Score
from annotation.models.audit import AuditEvent
from annotation.models.invitations import Invitation
from annotation.models.protocols import SavedProtocol
from annotation.models.readings import Activity, Reader, Reading, ReadingSet, ShownImage
from annotation.models.studies import Arm, Case, CaseImage, CaseReference, CaseSet, Study

__all__ = [
    "Activity",
    "Arm",
    "AuditEvent",
    "Case",
    "CaseImage",
    "CaseReference",
    "CaseSet",
    "Comment",
    "Flag",
    "Guess",
    "Invitation",
    "Ranking",
    "Reader",
    "Reading",
    "ReadingSet",
    "SavedProtocol",
    "Score",
    "ShownImage",
    "Study",
]
