"""What tests of the HTTP API share: a program with a key, the bodies it sends, and the mails that left."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP
from typing import Any

from django.db import connection
from django.test import Client

from campaigns.models import Account, Message, SandboxMail
from campaigns.outbox.dispatch import dispatch_stream
from tests.factories import make_account, make_api_key, make_domain


class Program:
    """An account's program: its key, and a domain it sends from."""

    def __init__(self, account: Account | None = None, **key: Any) -> None:
        self.account = account or make_account()
        self.domain = make_domain(self.account)
        self.key, self.secret = make_api_key(self.account, **{"scopes": ["email:manage"], **key})
        self.sender = f"Shop <shop@{self.domain.name}>"
        self.client = Client()

    @property
    def headers(self) -> dict[str, str]:
        return {"authorization": f"App {self.secret}"}

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """The response to a JSON request."""
        data = "" if body is None else json.dumps(body)
        return self.client.generic(method, path, data, "application/json", headers={**self.headers, **headers})

    def post(self, path: str, body: Any, **headers: str) -> Any:
        return self.ask("POST", path, body, **headers)

    def get(self, path: str, **query: Any) -> Any:
        return self.client.get(path, query, headers=self.headers)

    def message(self, *to: str, **changes: Any) -> dict[str, Any]:
        """One message of `POST /email/4/messages` that is right as it stands."""
        content = {"subject": "Your order", "text": "It is on its way.", **changes.pop("content", {})}
        people = [{"destination": address} for address in to or ("ann@example.com",)]
        return {"sender": self.sender, "destinations": [{"to": people}], "content": content, **changes}

    def send(self, *to: str, options: dict[str, Any] | None = None, **changes: Any) -> Any:
        """The answer to sending such a message; fails when it is not a 200."""
        body = {"messages": [self.message(*to, **changes)], **({"options": options} if options else {})}
        response = self.post("/email/4/messages", body)
        assert response.status_code == 200, response.content
        return response.json()

    def work(self) -> list[EmailMessage]:
        """Hand over what is due; the mails the sandbox has then, in the order they came."""
        for pk in {pk for pk in Message.objects.values_list("stream", flat=True) if pk is not None}:
            dispatch_stream(pk, linger=timedelta(0))
        return self.mails()

    def mails(self) -> list[EmailMessage]:
        rows = SandboxMail.objects.filter(account=self.account).order_by("pk")
        mails = [message_from_bytes(zlib.decompress(row.raw), policy=SMTP) for row in rows]
        for mail in mails:
            assert not any(part.defects for part in mail.walk())
        return mails


def text_of(mail: EmailMessage, kind: str = "plain") -> str:
    """The text of the mail's part of this kind."""
    part = mail.get_body(preferencelist=(kind,))
    assert part is not None
    return str(part.get_content()).replace("\r\n", "\n")


@contextmanager
def refusing(recipient: str) -> Iterator[None]:
    """The database takes no message to this person."""
    made, undone = "BEGIN SELECT RAISE(ABORT, 'refused'); END", "DROP TRIGGER test_refusing"
    statement = (
        f"CREATE TRIGGER test_refusing BEFORE INSERT ON campaigns_message WHEN NEW.recipient = '{recipient}' {made}"
    )
    if connection.vendor == "postgresql":
        check = f"CHECK (recipient <> '{recipient}')"
        statement = f"ALTER TABLE campaigns_message ADD CONSTRAINT test_refusing {check}"
        undone = "ALTER TABLE campaigns_message DROP CONSTRAINT test_refusing"
    with connection.cursor() as cursor:
        cursor.execute(statement)
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute(undone)
