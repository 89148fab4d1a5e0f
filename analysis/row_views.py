"""The rows behind a number of a report: any of its tables, as far as an address asks for it."""

from urllib.parse import urlencode

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from analysis.views import csv_response, visible_report
from generation.permissions import Request, english

MOST_ROWS = 500  # on a page; the CSV has all
CSV = "csv"


@never_cache
@require_GET
@english
def report_rows(request: Request, pk: int, table: str) -> HttpResponse:
    """Rows in which each column that the address names has its value; ``form=csv`` as a file."""
    import pandas as pd

    from analysis.export import cell_texts, csv_text, report_frames

    report = visible_report(request, pk)
    frames = report_frames(report) if report.results else {}
    if report.own and table == "scores":
        table = "ratings"
    if table not in frames:
        raise Http404(f"This report has no table “{table}”.")
    frame = frames[table]()
    cells = cell_texts(frame)
    asked = {name: value for name, value in request.GET.items() if name in cells}
    kept = pd.Series(True, index=cells.index)
    for name, value in asked.items():
        kept &= cells[name] == value
    if request.GET.get("form") == CSV:
        return csv_response(csv_text(frame[kept.to_numpy()]), f"{report.slug}-{table}")
    found = cells[kept]
    context = {
        "report": report,
        "table": table,
        "asked": asked,
        "columns": list(found),
        "rows": found.head(MOST_ROWS).to_numpy().tolist(),
        "count": len(found),
        "all": len(cells),
        "most": MOST_ROWS,
        "download": urlencode({**asked, "form": CSV}),
    }
    return render(request, "analysis/rows.html", context)
