"""Sweeps of LoRA ranks: their tables, on a page and as CSV."""

from typing import Any

from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from analysis.models import RankSweep
from analysis.views import csv_response
from generation.models import Generator
from generation.permissions import Request, researcher_required


@never_cache
@require_safe
@researcher_required
def sweeps(request: Request) -> HttpResponse:
    """All sweeps that were run in this Blindread, the newest first."""
    shown = [_shown(sweep) for sweep in RankSweep.objects.select_related("dataset")]
    return render(request, "analysis/sweeps.html", {"shown": shown})


@never_cache
@require_safe
@researcher_required
def sweep_csv(request: Request, pk: int, table: str) -> HttpResponse:
    """``table``, a row a rank, or ``results``, a row a cell."""
    from analysis.export import csv_text  # pandas
    from analysis.sweep_tables import TABLES

    sweep = get_object_or_404(RankSweep, pk=pk)
    if table not in TABLES:
        raise Http404(f"A sweep has no table “{table}”; there are: {', '.join(TABLES)}.")
    return csv_response(csv_text(TABLES[table](sweep.results)), f"sweep-{pk}-{table}")


def _shown(sweep: RankSweep) -> dict[str, Any]:
    from analysis.sweep_tables import TITLES, floor_text, said_rows  # pandas

    digests = {result["checkpoint_digest"]: result for result in sweep.finished}
    return {
        "sweep": sweep,
        "titles": TITLES.values(),
        "rows": [[_parted(cell) for cell in row.values()] for row in said_rows(sweep.results)],
        "floor": _parted(floor_text(sweep.floor)),
        "measures": sweep.finished[0]["measures"] if sweep.finished else {},
        "generators": [
            (generator, digests[generator.digest])
            for generator in Generator.objects.filter(digest__in=digests)
            if digests[generator.digest]["rank"] is not None
        ],
    }


def _parted(cell: str) -> tuple[str, str]:
    """A cell's number and its interval, between which a line may end."""
    number, bracket, interval = cell.partition("[")
    return number, bracket + interval
