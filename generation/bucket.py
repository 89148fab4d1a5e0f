"""The bucket as Django's storage; needs the extra ``s3`` (requirements/s3.txt)."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError
from django.core.files.base import File
from storages.backends.s3 import S3Storage

_REFUSED = {"401", "403", "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch"}


class BucketError(ConnectionError):
    """The bucket did not do what was asked; the message says why and how to mend it.

    To a worker it is a connection that may work again in a moment.
    """


class BucketStorage(S3Storage):
    """An S3-compatible bucket that only this application reads: no ACL, no public address.

    An upload is there whole or not at all, as S3 promises. Whatever goes wrong is an OSError, as
    with a folder: FileNotFoundError for a file that isn't there, else BucketError.
    """

    def get_default_settings(self) -> dict[str, Any]:
        """What no deployment chooses; the rest comes from `config.settings`."""
        return super().get_default_settings() | {
            "file_overwrite": True,  # the same name means the same bytes
            "default_acl": None,
            "querystring_auth": True,
            "transfer_config": TransferConfig(use_threads=False),  # images are one part each
            "client_config": Config(
                connect_timeout=5,  # seconds; somebody waits for the page
                read_timeout=30,
                retries={"mode": "standard", "total_max_attempts": 3},
                # Other makers' servers often don't know the checksums that Amazon's do.
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
            ),
        }

    def ask(self) -> None:
        """Raises BucketError unless the bucket is there and these keys may see it."""
        with self._plainly():
            self.connection.meta.client.head_bucket(Bucket=self.bucket_name)

    def exists(self, name: str) -> bool:
        with self._plainly():
            return super().exists(name)

    def delete(self, name: str) -> None:
        with self._plainly():
            super().delete(name)

    def _open(self, name: str, mode: str = "rb") -> File:
        """The whole file in memory, by one request where S3File makes three."""
        if mode != "rb":
            raise ValueError(f"A file in a bucket can't be opened as {mode!r}: save it anew.")
        with self._plainly(name):
            found = self.connection.meta.client.get_object(
                Bucket=self.bucket_name, Key=self._normalize_name(name)
            )
            return File(io.BytesIO(found["Body"].read()), name)

    def _save(self, name: str, content: File) -> str:
        with self._plainly():
            return super()._save(name, content)

    @contextmanager
    def _plainly(self, name: str = "") -> Iterator[None]:
        bucket = f"The bucket “{self.bucket_name}” at {self.endpoint_url or 'Amazon S3'}"
        try:
            yield
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code == "NoSuchKey":
                raise FileNotFoundError(f"{bucket} has no file {name}.") from error
            if code in {"NoSuchBucket", "404"}:
                raise BucketError(
                    f"{bucket} does not exist: create it, or mend STORAGE_BUCKET."
                ) from error
            if code in _REFUSED:
                raise BucketError(
                    f"{bucket} refuses these keys ({code}): mend STORAGE_ACCESS_KEY and "
                    "STORAGE_SECRET_KEY, or let them list the bucket and get, put and delete "
                    "its objects."
                ) from error
            raise BucketError(f"{bucket} did not answer as it should: {error}") from error
        except NoCredentialsError as error:
            raise BucketError(
                f"{bucket} wants keys: set STORAGE_ACCESS_KEY and STORAGE_SECRET_KEY."
            ) from error
        except BotoCoreError as error:
            raise BucketError(
                f"{bucket} can't be reached ({error}). Is STORAGE_ENDPOINT right?"
            ) from error
