"""Infobip's Email API on loopback: takes mails as its documentation says and answers as its examples do."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from campaigns.delivery.infobip_codes import STATUSES
from tests.http_server import Asked, LoopbackServer, Reply

DATA = Path(__file__).parent / "data"
KEY = "0123456789abcdef0123456789abcdef-11111111-2222-4333-8444-555555555555"
# Status ids by local part; everybody else is PENDING_ENROUTE.
SCRIPT = {"bounce": 52, "defer": 20, "credits": 12, "twice": 23}
_PLACEHOLDER = re.compile(r"\{\{\s*(\w+)\s*\}\}")


def example(name: str) -> Any:
    """A payload of Infobip's documentation."""
    return json.loads((DATA / f"infobip-{name}.json").read_text("utf-8"))


def status(number: int) -> dict[str, Any]:
    groups = {"PENDING": 1, "UNDELIVERABLE": 2, "DELIVERED": 3, "EXPIRED": 4, "REJECTED": 5, "MISSING": 5}
    name = STATUSES[number].name
    group = name.partition("_")[0]
    return {"groupId": groups[group], "groupName": group, "id": number, "name": name, "description": "…"}


class InfobipServer(LoopbackServer):
    """`reply_first` may answer a request in its place; a bad mail (local part `bad`) makes the whole request a 400."""

    def __init__(self) -> None:
        super().__init__(self._take)
        self.key = KEY
        self.mails: list[dict[str, Any]] = []
        self.reply_first: Callable[[Asked], Reply | None] = lambda _: None
        self.names_violations = True

    def arrived(self) -> list[tuple[str, str, str, str]]:
        return [(mail["to"], mail["subject"], mail["html"], mail["text"]) for mail in self.mails]

    def _take(self, asked: Asked) -> Reply:
        if asked.headers.get("Authorization") != f"App {self.key}":
            return Reply.of(example("unauthorized"), 401)
        if (reply := self.reply_first(asked)) is not None:
            return reply
        mails = [mail for place, message in enumerate(asked.json()["messages"]) for mail in _read(message, place)]
        locals_ = {mail["to"].partition("@")[0] for mail in mails}
        if "lost" in locals_:
            return Reply(hang_up=True)
        if bad := [mail["place"] for mail in mails if mail["to"].startswith("bad@")]:
            return Reply.of(self._refusal(bad), 400)
        answer = example("accepted") | {"messages": [self._accept(mail) for mail in mails]}
        return Reply(200, json.dumps(answer).encode(), pause=1.5 if "slow" in locals_ else 0)

    def _accept(self, mail: dict[str, Any]) -> dict[str, Any]:
        number = SCRIPT.get(mail["to"].partition("@")[0], 7)
        if number == 7:
            self.mails.append(mail)
        return {"messageId": mail["messageId"], "destination": mail["to"], "status": status(number)}

    def _refusal(self, places: list[int]) -> dict[str, Any]:
        violations = [
            {"property": f"messages[{place}].destinations[0].to[0].destination", "violation": "is not valid"}
            for place in (places if self.names_violations else [])
        ]
        return {**example("bad-request"), "violations": violations}


def _read(message: dict[str, Any], place: int) -> list[dict[str, Any]]:
    """The mails of one message object, put together by the provider's rules."""
    content, found = message["content"], []
    for group in message["destinations"]:
        assert not message.get("preserveRecipients")
        for to in group["to"]:
            values = json.loads(to["placeholders"]) if "placeholders" in to else {}

            def fill(text: str, values: dict[str, str] = values) -> str:
                return _PLACEHOLDER.sub(lambda name: str(values.get(name[1], "")), text)

            found.append(
                {
                    "place": place,
                    "to": to["destination"],
                    "messageId": to["messageId"],
                    "sender": message["sender"],
                    "replyTo": group.get("replyTo", ""),
                    "subject": fill(content["subject"]),
                    "html": fill(content.get("html", "")),
                    "text": fill(content.get("text", "")),
                    "headers": json.loads(content.get("headers", "{}")),
                    "report_url": message.get("webhooks", {}).get("delivery", {}).get("url", ""),
                }
            )
    return found
