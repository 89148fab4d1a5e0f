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
    import numpy as np

    from analysis.export import cell_texts, csv_text, report_frames

    report = visible_report(request, pk)
    frames = report_frames(report) if report.results else {}
    if report.own and table == "scores":
        table = "ratings"
    if table not in frames:
        raise Http404(f"This report has no table “{table}”.")
    frame = frames[table]()
    asked = {name: value for name, value in request.GET.items() if name in frame}
    # What isn't asked about needs no text: own tables may have hundreds of thousands of rows.
    kept = np.full(len(frame), True)
    for name, value in asked.items():
        kept &= (cell_texts(frame[[name]])[name] == value).to_numpy()
    found = frame[kept]
    if request.GET.get("form") == CSV:
        return csv_response(csv_text(found), f"{report.slug}-{table}")
    context = {
        "report": report,
        "table": table,
        "asked": asked,
        "columns": list(found),
        "rows": cell_texts(found.head(MOST_ROWS)).to_numpy().tolist(),
        "count": len(found),
        "all": len(frame),
        "most": MOST_ROWS,
        "download": urlencode({**asked, "form": CSV}),
    }
    return render(request, "analysis/rows.html", context)
