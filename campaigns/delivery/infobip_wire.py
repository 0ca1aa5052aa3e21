"""Infobip's POST /email/4/messages: requests as JSON, and what an answer says about each mail (OpenAPI 3.210)."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from campaigns.delivery import infobip_codes
from campaigns.delivery.base import Outcome, OutgoingEmail, Receipt, SharedContent
from campaigns.delivery.lanes import Batch
from campaigns.delivery.merging import Content, content_of, merge_content, sender_of
from campaigns.net.http import Answer

PATH = "/email/4/messages"
AREA = "infobip"
UNKNOWN = f"{AREA}.outcome-unknown"
BRACES = f"{AREA}.braces"

# A value that reads the same however the provider writes it into a text: nothing it could escape, trim or take for a
# placeholder. Whether it escapes is documented nowhere, so other values are put into the text by us.
_INERT = re.compile(r"(?! )[^&<>\"'`={}$\\\x00-\x1f\x7f]*(?<! )").fullmatch
_INDEX = re.compile(r"messages\[(\d{1,4})\]")


def id_of(mail: OutgoingEmail) -> str:
    """The message id Infobip gets: our public id, later one of its own for each attempt.

    A first attempt whose answer got lost is made again under its id, so that it is never delivered twice; a refused
    one has used its id up. Further on nobody remembers which id was in doubt: rather twice than never.
    """
    is_same = mail.attempt == 1 or (mail.attempt == 2 and mail.in_doubt)
    return str(mail.public_id) if is_same else f"{mail.public_id}.{mail.attempt}"


def is_carried(email: OutgoingEmail) -> bool:
    """False for a mail with braces in its finished text: Infobip would take them for placeholders of its own."""
    content = merge_content(email)
    return "{{" not in content and "{$" not in content


def group_mails(mails: Sequence[OutgoingEmail]) -> list[list[OutgoingEmail]]:
    """The mails by message object: those that share all but inert values in one, every other in its own.

    Headers belong to a message object and not to its recipients, so a mail with headers of its own stands alone.
    """
    groups: dict[int, list[OutgoingEmail]] = {}
    for mail in mails:
        shares = mail.values and not mail.headers and all(map(_INERT, mail.values.values()))
        groups.setdefault(id(mail.shared) if shares else -mail.id, []).append(mail)
    return list(groups.values())


def build_request(groups: Sequence[Sequence[OutgoingEmail]], *, report_url: str, tracking: bool) -> bytes:
    """The body of one request."""
    options: dict[str, Any] = {"track": tracking, "trackOpens": tracking, "trackClicks": tracking}
    if tracking:
        options["trackingUrl"] = report_url
    body = {
        "messages": [_message(group, report_url=report_url) for group in groups],
        "options": {"tracking": options},
    }
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def _message(mails: Sequence[OutgoingEmail], *, report_url: str) -> dict[str, Any]:
    first = mails[0]
    shared = content_of(first)
    together = len(mails) > 1
    texts = Content(shared.subject, shared.html, shared.text) if together else merge_content(first)
    message: dict[str, Any] = {
        "sender": sender_of(shared),
        "destinations": [_destination(mail, shared, with_values=together) for mail in mails],
        "content": {**_content(texts, (*shared.headers, *first.headers)), **_files(shared)},
    }
    if report_url:
        message["webhooks"] = {"delivery": {"url": report_url}, "contentType": "application/json"}
    return message


def _destination(mail: OutgoingEmail, shared: SharedContent, *, with_values: bool) -> dict[str, Any]:
    to: dict[str, Any] = {"destination": mail.rcpt_to, "messageId": id_of(mail)}
    if with_values:
        # A string that holds JSON, as the API has it.
        to["placeholders"] = json.dumps(dict(mail.values), ensure_ascii=False, separators=(",", ":"))
    return {"to": [to], **({"replyTo": shared.reply_to} if shared.reply_to else {})}


def _files(shared: SharedContent) -> dict[str, Any]:
    """Attachments, and images the HTML shows: those are told apart by their content id."""
    found: dict[str, list[dict[str, str]]] = {}
    for file in shared.files:
        field, name = ("inlineImages", file.content_id) if file.content_id else ("attachments", file.name)
        content = {"content": b64encode(file.data).decode("ascii"), "contentType": file.media_type, "fileName": name}
        found.setdefault(field, []).append({"type": "binary", **content})
    return found


def _content(texts: Content, headers: Sequence[tuple[str, str]]) -> dict[str, Any]:
    content = {"subject": texts.subject, "text": texts.text}
    if texts.html:
        content["html"] = texts.html
    if headers:
        content["headers"] = json.dumps(dict(headers), ensure_ascii=False, separators=(",", ":"))
    return content


def read_statuses(answer: Answer) -> dict[str, Mapping[str, Any]]:
    """The status of each mail in a 200, by message id; empty when the answer cannot be read."""
    try:
        messages = answer.json()["messages"]
        rows = [(row["messageId"], row["status"]) for row in messages if isinstance(row, dict) and "messageId" in row]
    except (ValueError, KeyError, TypeError):
        return {}
    return {str(name): status for name, status in rows if isinstance(status, dict)}


def read_receipts(mails: Sequence[OutgoingEmail], answer: Answer) -> Iterator[tuple[Receipt, str]]:
    """For each mail of a request that was answered by 200: its receipt, and what a person must mend, or ''."""
    statuses = read_statuses(answer)
    for mail in mails:
        status = statuses.get(id_of(mail), {})
        judged = infobip_codes.judge(status.get("id"), status.get("groupId"))
        code = infobip_codes.code_of(status.get("id"))
        if judged.outcome is Outcome.ACCEPTED:
            code = ""
        elif judged.outcome is Outcome.UNKNOWN:
            code = UNKNOWN
        yield Receipt(mail.id, judged.outcome, code), judged.stop


def split_refused(
    batch: Batch, groups: Sequence[Sequence[OutgoingEmail]], answer: Answer
) -> tuple[list[OutgoingEmail], list[Batch]]:
    """After a 400, for which nothing was accepted: the mails at fault, and the others in batches to ask again.

    The answer names messages by their place; where it names none, the request is halved until one is left.
    """
    named = {int(found) for found in _INDEX.findall(" ".join(_properties(answer)))}
    bad = [mail for place, group in enumerate(groups) if place in named and len(group) == 1 for mail in group]
    if bad:
        ids = {mail.id for mail in bad}
        others = [mail for mail in batch.mails if mail.id not in ids]
        return bad, [Batch(others)] if others else []
    if len(batch.mails) == 1:
        return list(batch.mails), []
    middle = len(batch.mails) // 2
    return [], [Batch(batch.mails[:middle]), Batch(batch.mails[middle:])]


def _properties(answer: Answer) -> Iterator[str]:
    try:
        violations = answer.json()["violations"]
        yield from (str(entry["property"]) for entry in violations)
    except (ValueError, KeyError, TypeError):
        return
