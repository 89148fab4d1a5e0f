"""Protocols: those that come with Blindread, a researcher's own, and those of their studies."""

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from annotation.models import SavedProtocol, Study
from annotation.protocol_form import ProtocolEditor
from annotation.protocols import ProtocolError, load_protocol, presets
from annotation.saved_protocols import protocol_of, save_protocol
from generation.permissions import Request, researcher_required


@never_cache
@require_safe
@researcher_required
def protocol_list(request: Request) -> HttpResponse:
    context = {
        "presets": [load_protocol(key) for key in presets()],
        "own": SavedProtocol.objects.filter(owner=request.user),
        "studies": Study.objects.managed_by(request.user).real(),
    }
    return render(request, "annotation/protocol_list.html", context)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@researcher_required
def protocol_copy(request: Request, origin: str, key: str) -> HttpResponse:
    """Change a copy of a preset, of a protocol of one's own or of that of a study."""
    base = protocol_of(origin, key, user=request.user)
    if base is None:
        raise Http404
    editor = ProtocolEditor(
        base,
        name=f"{base.name}, changed",
        source=f"Changed from {base.name}, version {base.version}. {base.source}".strip()[:400],
        version=1,
        data=request.POST if request.method == "POST" else None,
    )
    return _edit(request, editor)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@researcher_required
def protocol_change(request: Request, pk: int) -> HttpResponse:
    """Change a protocol of one's own; studies keep theirs as it was."""
    saved = get_object_or_404(SavedProtocol.objects.filter(owner=request.user), pk=pk)
    base = saved.protocol
    editor = ProtocolEditor(
        base,
        name=base.name,
        source=base.source,
        version=base.version + 1,
        data=request.POST if request.method == "POST" else None,
    )
    return _edit(request, editor, saved)


@require_POST
@researcher_required
def protocol_delete(request: Request, pk: int) -> HttpResponse:
    saved = get_object_or_404(SavedProtocol.objects.filter(owner=request.user), pk=pk)
    saved.delete()
    messages.success(request, f"“{saved}” is deleted. Studies that use it keep it.")
    return redirect("annotation:protocol-list")


def _edit(
    request: Request, editor: ProtocolEditor, saved: SavedProtocol | None = None
) -> HttpResponse:
    """The form; what moves criteria shows it anew, and only "save" stores anything."""
    act = request.POST.get("act", "save")
    if request.method == "POST" and act != "save":
        editor.arrange(act)
    elif request.method == "POST" and editor.is_valid() and (protocol := editor.protocol()):
        try:
            save_protocol(protocol=protocol, owner=request.user, saved=saved)
        except ProtocolError as error:
            editor.form.add_error("name", str(error))
        else:
            messages.success(request, f"“{protocol.name}” is saved.")
            return redirect("annotation:protocol-list")
    context = {"editor": editor, "saved": saved}
    return render(request, "annotation/protocol_edit.html", context)
