"""People who read their mail in the sandbox and press unsubscribe."""

from __future__ import annotations

import http.client
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from socketserver import ThreadingMixIn
from urllib.parse import urlsplit
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from django.core.servers.basehttp import get_internal_wsgi_application

from campaigns.models import SandboxMail


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Silent(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        """Unsubscribe tokens are nobody's business."""


@contextmanager
def public_pages() -> Iterator[int]:
    """Our public pages on a loopback port of their own while the block runs."""
    server = make_server("127.0.0.1", 0, get_internal_wsgi_application(), server_class=_Server, handler_class=_Silent)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class NotLetGo(Exception):
    """The public endpoint answered an unsubscribe with something else than 200."""


def unsubscribe_by_mail(mail: SandboxMail, *, port: int) -> None:
    """Do what a mailbox provider does with List-Unsubscribe-Post (RFC 8058 §3.2); raises NotLetGo."""
    headers = message_from_bytes(zlib.decompress(bytes(mail.raw)), policy=policy.compat32)
    url = urlsplit(str(headers["List-Unsubscribe"]).split(",")[0].strip(" <>"))
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    body = str(headers["List-Unsubscribe-Post"])
    connection.request("POST", url.path, body, {"Content-Type": "application/x-www-form-urlencoded"})
    answer = connection.getresponse()
    answer.read()
    connection.close()
    if answer.status != 200:
        raise NotLetGo(f"answered with {answer.status}")
