from annotation.models.answers import Ranking, Score
from annotation.models.audit import AuditEvent
from annotation.models.readings import Reader, Reading, ReadingSet, ShownImage
from annotation.models.studies import Arm, Case, CaseReference, CaseSet, Study

__all__ = [
    "Arm",
    "AuditEvent",
    "Case",
    "CaseReference",
    "CaseSet",
    "Ranking",
    "Reader",
    "Reading",
    "ReadingSet",
    "Score",
    "ShownImage",
    "Study",
]
