"""Uploads of recipients stay in memory: Django would write what is larger than 2.5 MB to a file anybody could copy.

A middleware, because the check against forged forms reads the upload before any view does.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import cache

from django.core.files.uploadedfile import InMemoryUploadedFile
from django.core.files.uploadhandler import FileUploadHandler
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

MOST_BYTES = 120 * 1024 * 1024
"""Of all files of a request together."""


class MemoryHandler(FileUploadHandler):
    """Keeps files in memory; of a request with more than MOST_BYTES the sizes arrive, and no content."""

    chunk_size = 256 * 1024

    def __init__(self, request: HttpRequest | None = None) -> None:
        super().__init__(request)
        self._taken = 0

    def new_file(self, *args: object, **kwargs: object) -> None:
        super().new_file(*args, **kwargs)  # type: ignore[arg-type]
        self._file = io.BytesIO()

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:  # noqa: ARG002
        self._taken += len(raw_data)
        if self._taken <= MOST_BYTES:
            self._file.write(raw_data)
        else:
            self._file.truncate(0)

    def file_complete(self, file_size: int) -> InMemoryUploadedFile:
        self._file.seek(0)
        return InMemoryUploadedFile(
            self._file, self.field_name, self.file_name or "", self.content_type, file_size, self.charset
        )


@cache
def _protected() -> tuple[str, ...]:
    """How the addresses of screens begin that take files about people."""
    return tuple(reverse(f"admin:{name}_changelist") for name in ("campaigns_hipaasend", "compliance_authorization"))


class SealedUploadMiddleware:
    """For the screens that take files about people, before anybody looks at what was posted."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.method == "POST" and request.path.startswith(_protected()):
            request.upload_handlers = [MemoryHandler(request)]
        return self._get_response(request)
