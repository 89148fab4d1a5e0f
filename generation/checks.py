"""What `manage.py check` says of the images' storage; with ``--deploy`` it asks the bucket."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.exceptions import ImproperlyConfigured


@register
def storage_settings_are_complete(**_: Any) -> list[CheckMessage]:
    """The STORAGE_ settings make sense together, and what reads a bucket is installed."""
    others = ("ENDPOINT", "REGION", "ACCESS_KEY", "SECRET_KEY", "PREFIX")
    said = {name: getattr(settings, f"STORAGE_{name}") for name in others}
    found: list[CheckMessage] = []
    if not settings.STORAGE_BUCKET:
        if names := ", ".join(f"STORAGE_{name}" for name, value in said.items() if value):
            found.append(
                Error(
                    f"{names} without STORAGE_BUCKET: images would lie in MEDIA_ROOT.",
                    hint="Name the bucket, or leave all of them empty.",
                    id="generation.E001",
                )
            )
        return found
    if bool(said["ACCESS_KEY"]) != bool(said["SECRET_KEY"]):
        found.append(
            Error(
                "Only one of STORAGE_ACCESS_KEY and STORAGE_SECRET_KEY is set.",
                hint="Set both; or neither where the machine has a role that may use the bucket.",
                id="generation.E002",
            )
        )
    if said["ENDPOINT"] and not said["ENDPOINT"].startswith(("http://", "https://")):
        found.append(
            Error(
                f"STORAGE_ENDPOINT is “{said['ENDPOINT']}”, which is no address.",
                hint="Begin it with https:// (or http:// within the machine).",
                id="generation.E003",
            )
        )
    try:
        import generation.bucket  # noqa: F401
    except (ImportError, ImproperlyConfigured) as error:
        found.append(
            Error(
                f"STORAGE_BUCKET is set, but what reads a bucket is not installed ({error}).",
                hint="pip install -r requirements/s3.txt, or leave STORAGE_BUCKET empty.",
                id="generation.E004",
            )
        )
    return found


@register(Tags.security, deploy=True)
def bucket_answers(**_: Any) -> list[CheckMessage]:
    """The bucket is there, and these keys may see it."""
    if not settings.STORAGE_BUCKET or storage_settings_are_complete():
        return []
    from generation.bucket import BucketError, BucketStorage

    try:
        BucketStorage(**settings.STORAGES["default"]["OPTIONS"]).ask()
    except BucketError as error:
        return [Error(str(error), id="generation.E005")]
    return []
