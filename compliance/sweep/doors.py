"""The ways in: every input that could carry protected data, what is taken and what is refused.

A new door is one function with `@door` in `programs`, `screens` or a module of its own that `rehearsal` imports; it uses
every field it has, and lets things go wrong as well.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from campaigns.models import Account, Sender
from compliance.sweep.stage import Stage

Enter = Callable[[Stage], None]


@dataclass(frozen=True, slots=True)
class Door:
    """A way in; one that `delivers` brings the canary to the receiver, the others must leave it nowhere.

    One that is `last` leaves nothing as the others want to find it.
    """

    name: str
    enter: Enter
    delivers: bool = False
    last: bool = False


DOORS: list[Door] = []


def door(name: str, *, delivers: bool = False, last: bool = False) -> Callable[[Enter], Enter]:
    """Register a way in."""

    def register(enter: Enter) -> Enter:
        DOORS.append(Door(name, enter, delivers, last))
        return enter

    return register


def without_form(answer: Any) -> Any:
    """An answer without what it shows again in the fields of the form that was sent: that is the sender's own."""
    content = re.sub(rb'(value="[^"]*")|(<textarea.*?</textarea>)', b"", answer.content, flags=re.S)
    answer.content = content
    return answer


def make_message(stage: Stage, account: Account) -> dict[str, object]:
    """A message of `POST /email/4/messages` with the canary in every field."""
    to = {
        "destination": stage.canary.address,
        "placeholders": {"name": stage.canary.name},
        "messageId": stage.canary.word,
    }
    content = {
        "subject": stage.canary.name, "html": f"<p>{stage.canary.word}</p>",
        "attachments": [{"content": base64.b64encode(stage.canary.word.encode()).decode(), "fileName": f"{stage.canary.word}.txt"}],
    }  # fmt: skip
    return {"sender": sender_of(account), "destinations": [{"to": [to]}], "content": content}


def make_mime(stage: Stage) -> str:
    """A whole mail with the canary in every header, in Base64."""
    text = f"From: {stage.canary.address}\r\nTo: {stage.canary.address}\r\nSubject: {stage.canary.name}\r\n\r\n{stage.canary.word}"
    return base64.b64encode(text.encode()).decode()


def sender_of(account: Account) -> str:
    """An address the account may send from."""
    return str(Sender.objects.filter(account=account).values_list("email", flat=True)[0])
