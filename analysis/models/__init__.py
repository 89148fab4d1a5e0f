from analysis.models.reports import Embedding, Figure, MetricValue, Report

__all__ = ["Embedding", "Figure", "MetricValue", "Report"]
