"""Protocols of a researcher's own, beside those that come with Blindread."""

from django.contrib.auth.models import User

from annotation.models import SavedProtocol, Study
from annotation.protocols import Protocol, ProtocolError, load_protocol, presets


def find_protocol(key: str, *, owner: User) -> Protocol:
    """The shipped protocol of this key, or the owner's own; else `ProtocolError` names them all."""
    if key in presets():
        return load_protocol(key)
    own = SavedProtocol.objects.filter(owner=owner)
    saved = own.filter(data__key=key).first()
    if saved is None:
        known = [*presets(), *own.values_list("data__key", flat=True)]
        raise ProtocolError(f"No protocol “{key}”; there are: {', '.join(known)}.")
    return saved.protocol


def protocol_of(origin: str, key: str, *, user: User) -> Protocol | None:
    """A shipped one ("preset"), one of the user's own ("own", by its row) or that of a study of
    theirs ("study", by its slug); None where there is none."""
    if origin == "preset" and key in presets():
        return load_protocol(key)
    found: SavedProtocol | Study | None = None
    if origin == "own" and key.isdecimal():
        found = SavedProtocol.objects.filter(owner=user, pk=int(key)).first()
    elif origin == "study":
        found = Study.objects.managed_by(user).filter(slug=key).first()
    return found.protocol if found else None


def save_protocol(
    *, protocol: Protocol, owner: User, saved: SavedProtocol | None = None
) -> SavedProtocol:
    """Store it as the owner's own, in place of `saved` where that is given.

    Raises:
        ProtocolError: a shipped protocol or another one of the owner's has this key.
    """
    others = SavedProtocol.objects.filter(owner=owner, data__key=protocol.key)
    if saved:
        others = others.exclude(pk=saved.pk)
    if protocol.key in presets() or others.exists():
        raise ProtocolError(f"There is a protocol “{protocol.key}” already: choose another name.")
    saved = saved or SavedProtocol(owner=owner)
    saved.name, saved.data = protocol.name, protocol.to_dict()
    saved.save()
    return saved
