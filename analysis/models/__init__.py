from analysis.models.dry_runs import DryRun
from analysis.models.inspections import ImageFlag, Inspection, Neighbour
from analysis.models.own import OwnRatings
from analysis.models.reports import Embedding, Figure, MetricValue, Report, ReportPdf
from analysis.models.sweeps import RankSweep
from analysis.models.takeout import Export, Restore

__all__ = [
    "DryRun",
    "Embedding",
    "Export",
    "Figure",
    "ImageFlag",
    "Inspection",
    "MetricValue",
    "Neighbour",
    "OwnRatings",
    "RankSweep",
    "Report",
    "ReportPdf",
    "Restore",
]
