"""The body of a request, written from what somebody filled in: the three shapes the sending operations take."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP
from typing import Any

_FILE_NAME, _FILE_KIND, _FILE = "note.txt", "text/plain", b"A small file, so that you see how files travel.\n"
_BOUNDARY = re.compile(r"--([0-9A-Za-z'()+_,./:=?-]{1,70})[ \t]*\r?\n")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A sending operation; `client` is the version of Infobip's Python client that speaks it."""

    path: str
    label: str
    gloss: str
    client: str


ENDPOINTS: Mapping[str, Endpoint] = {
    "messages": Endpoint("/email/4/messages", "JSON, version 4", "What new programs use.", "6.0.0"),
    "form": Endpoint("/email/3/send", "Form, version 3", "multipart/form-data, as older clients send it.", "5.1.1"),
    "mime": Endpoint("/email/4/mime", "Finished mail", "A whole mail, headers and body. It has no template.", "6.0.0"),
}


@dataclass(frozen=True, slots=True, repr=False)
class Person:
    """A recipient and the values only they get."""

    address: str
    values: Mapping[str, str]


@dataclass(frozen=True, slots=True, repr=False)
class Draft:
    """What somebody filled in; `template` is the number programs know it by, empty for none."""

    sender: str
    to: tuple[Person, ...]
    cc: tuple[str, ...] = ()
    bcc: tuple[str, ...] = ()
    reply_to: str = ""
    subject: str = ""
    text: str = ""
    html: str = ""
    template: str = ""
    defaults: Mapping[str, str] | None = None
    attach: bool = False


def write_body(endpoint: str, draft: Draft) -> str:
    """The body for one of ENDPOINTS; nothing is checked here, so that the API shows what it says of it."""
    return {"messages": _write_json, "form": _write_form, "mime": _write_mime}[endpoint](draft)


def read_people(text: str) -> tuple[Person, ...]:
    """A person on each line: the address, then values, such as `ann@example.com, name=Ann, city=Vilnius`."""
    return tuple(_read_person(line) for line in text.splitlines() if line.strip())


def read_values(text: str) -> dict[str, str]:
    """A value on each line, such as `name=friend`."""
    pairs = (line.partition("=") for line in text.splitlines() if "=" in line)
    return {name.strip(): value.strip() for name, _, value in pairs}


def kind_of(endpoint: str, body: str) -> str:
    """The Content-Type that goes with the body; that of a form names the boundary its first line has."""
    if endpoint != "form":
        return "application/json"
    found = _BOUNDARY.match(body)
    return f"multipart/form-data; boundary={found[1]}" if found else "multipart/form-data"


def _read_person(line: str) -> Person:
    address, *rest = line.split(",")
    pairs = (entry.partition("=") for entry in rest if entry.strip())
    return Person(address.strip(), {name.strip(): value.strip() for name, _, value in pairs})


def _filled(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value}


def _write_json(draft: Draft) -> str:
    file = {"fileName": _FILE_NAME, "contentType": _FILE_KIND, "content": base64.b64encode(_FILE).decode()}
    message = {
        "sender": draft.sender,
        "destinations": [
            _filled(
                to=[
                    {"destination": person.address} | _filled(placeholders=_as_text(person.values))
                    for person in draft.to
                ],
                cc=[{"destination": address} for address in draft.cc],
                bcc=[{"destination": address} for address in draft.bcc],
                replyTo=draft.reply_to,
            )
        ],
        "content": _filled(
            subject=draft.subject,
            text=draft.text,
            html=draft.html,
            templateId=draft.template,
            defaultPlaceholders=_as_text(draft.defaults or {}),
            attachments=[file] if draft.attach else [],
        ),
    }
    return json.dumps({"messages": [message]}, ensure_ascii=False, indent=2)


def _as_text(values: Mapping[str, str]) -> str:
    # Objects travel as JSON text on this wire.
    return json.dumps(dict(values), ensure_ascii=False) if values else ""


def _write_form(draft: Draft) -> str:
    parts = [(f'name="{name}"', value) for name, value in _list_parts(draft)]
    if draft.attach:
        label = f'name="attachment"; filename="{_FILE_NAME}"\r\nContent-Type: {_FILE_KIND}'
        parts.append((label, _FILE.decode()))
    digest = hashlib.sha256(repr(parts).encode()).hexdigest()[:16]
    boundary = f"----console-{digest}"
    lines = [f"--{boundary}\r\nContent-Disposition: form-data; {label}\r\n\r\n{value}\r\n" for label, value in parts]
    return f"{''.join(lines)}--{boundary}--\r\n"


def _list_parts(draft: Draft) -> Iterator[tuple[str, str]]:
    yield "from", draft.sender
    for person in draft.to:
        whole = json.dumps({"to": person.address, "placeholders": dict(person.values)}, ensure_ascii=False)
        yield "to", whole if person.values else person.address
    for name, some in (("cc", draft.cc), ("bcc", draft.bcc)):
        yield from ((name, address) for address in some)
    rest = (
        ("replyTo", draft.reply_to),
        ("subject", draft.subject),
        ("text", draft.text),
        ("html", draft.html),
        ("templateId", draft.template),
        ("defaultPlaceholders", _as_text(draft.defaults or {})),
    )
    yield from ((name, value) for name, value in rest if value)


def _write_mime(draft: Draft) -> str:
    mail = EmailMessage(policy=SMTP)
    people = ", ".join(person.address for person in draft.to)
    named = (("From", draft.sender), ("To", people), ("Cc", ", ".join(draft.cc)), ("Reply-To", draft.reply_to))
    for name, value in (*named, ("Subject", draft.subject)):
        if value:
            mail[name] = value
    mail.set_content(draft.text or ("" if draft.html else "\n"))
    if draft.html:
        mail.add_alternative(draft.html, subtype="html")
    if draft.attach:
        mail.add_attachment(_FILE.decode(), filename=_FILE_NAME)
    body = {"mimeMessage": base64.b64encode(mail.as_bytes()).decode("ascii")}
    if draft.bcc:
        # A finished mail names nobody in Bcc: who gets it is said beside it.
        body["destinations"] = [*(person.address for person in draft.to), *draft.cc, *draft.bcc]  # type: ignore[assignment]
    return json.dumps(body, ensure_ascii=False, indent=2)
