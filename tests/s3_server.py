"""A bucket on loopback that speaks as much of S3 as putting, fetching and deleting objects needs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import md5
from typing import Any

from django.test import override_settings

from tests.http_server import Asked, LoopbackServer, Reply

BUCKET = "mail-archive"
_MISSING = b'<?xml version="1.0"?><Error><Code>NoSuchKey</Code><Message>gone</Message></Error>'


class Bucket(LoopbackServer):
    """`objects` by name; with `is_down` every request fails."""

    def __init__(self) -> None:
        super().__init__(self._serve)
        self.objects: dict[str, bytes] = {}
        self.is_down = False

    def _serve(self, asked: Asked) -> Reply:
        assert asked.headers["Authorization"].startswith("AWS4-HMAC-SHA256 Credential=key-id/")
        path = asked.path.partition("?")[0]
        assert path.startswith(f"/{BUCKET}/")
        if self.is_down:
            return Reply(403, b"<Error><Code>AccessDenied</Code></Error>", {"Content-Type": "application/xml"})
        return self._answer(asked, path.removeprefix(f"/{BUCKET}/"))

    def _answer(self, asked: Asked, name: str) -> Reply:
        if asked.method == "PUT":
            self.objects[name] = _body(asked)
            return Reply(200, b"", {"ETag": f'"{_etag(self.objects[name])}"'})
        if asked.method == "DELETE":
            self.objects.pop(name, None)
            return Reply(204, b"")
        data = self.objects.get(name)
        if data is None:
            return Reply(404, b"" if asked.method == "HEAD" else _MISSING, {"Content-Type": "application/xml"})
        headers = {"ETag": f'"{_etag(data)}"', "Content-Length": str(len(data))}
        return Reply(200, b"" if asked.method == "HEAD" else data, headers)


def _body(asked: Asked) -> bytes:
    """The object; chunks with checksums behind them are how newer clients write one (aws-chunked)."""
    if "aws-chunked" not in asked.headers.get("Content-Encoding", ""):
        return asked.body
    rest, out = asked.body, b""
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        count = int(size.partition(b";")[0], 16)
        if not count:
            break
        out, rest = out + rest[:count], rest[count + 2 :]
    return out


def _etag(data: bytes) -> str:
    return md5(data, usedforsecurity=False).hexdigest()


@contextmanager
def bucket_for_archive(storages: dict[str, Any]) -> Iterator[Bucket]:
    """The archive in a bucket, as ARCHIVE_S3_… configure it."""
    with Bucket() as server:
        options = {
            "bucket_name": BUCKET, "location": "copies", "endpoint_url": server.url, "region_name": "eu-test-1",
            "access_key": "key-id", "secret_key": "secret", "default_acl": None, "file_overwrite": True,
            "signature_version": "s3v4",
        }  # fmt: skip
        archive = {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": options}
        with override_settings(STORAGES={**storages, "archive": archive}):
            yield server
