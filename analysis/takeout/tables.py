"""All tables of an archive, each after those that it names."""

from analysis.takeout import answers, corpus, design, events, plan, reports

TABLES = [
    *corpus.TABLES,
    *design.TABLES,
    *plan.TABLES,
    *answers.TABLES,
    *events.TABLES,
    *reports.TABLES,
]
