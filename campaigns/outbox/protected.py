"""What mail of programs may hold in the HIPAA lane: the same refusals at every door, before anything is stored.

Protected information belongs into the values of single recipients. Whatever else a request could carry it in is refused, by
the capability that stands for it (compliance.features); nothing of what was sent is in any answer.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from html.parser import HTMLParser
from uuid import UUID

from django.utils import timezone

from campaigns import addresses
from campaigns.addresses import Address
from campaigns.content.submitted import Submitted
from campaigns.models import Account, Purpose, TemplateVersion
from campaigns.outbox.batches import Batch, EmailRequest
from campaigns.outbox.payload import Payload
from compliance import features, scanning
from compliance.agreements import replies
from compliance.detectors.engine import find
from compliance.detectors.rules import load_rules
from compliance.detectors.texts import read_texts

_VALUE = re.compile(r"\{\{|\{%")
_REMOTE = re.compile(r"\s*(?:https?:)?//", re.IGNORECASE)
_CSS_REMOTE = re.compile(r"(?:url\(\s*['\"]?|@import\s+['\"]?)(?:https?:)?//", re.IGNORECASE)
# Tags that load what they name when the mail is opened; links are followed by people, and are no loading.
_LOADING = frozenset({
    "audio", "embed", "frame", "iframe", "img", "input", "link", "object", "script", "source", "track", "video",
})  # fmt: skip
_LOADED_FROM = frozenset({"src", "srcset", "href", "data", "poster", "background"})


def check_request(batch: Batch, request: EmailRequest) -> None:
    """Returns when the request may be taken into the HIPAA lane; raises NotEligible."""
    for key, is_used in _USES.items():
        if is_used(batch, request):
            refuse(batch.account, key)
    if not request.payload.raw:
        answers = {group.reply_to or request.payload.from_mailbox for group in request.groups}
        _check_answers(batch.account, map(addresses.parse, answers), sender_domain=request.sender_domain)
        _check_texts(batch.account, request.payload, request.content)


def check_finished(account: Account, mail: Submitted) -> None:
    """The same for what only the head of a finished mail tells; its body is one recipient's alone. Raises NotEligible."""
    if len({address.key for _, address in mail.recipients()}) > 1:
        refuse(account, "api.copies")
    _check_answers(account, mail.answers_to(), sender_domain=mail.sender.domain)
    if _VALUE.search(mail.subject):
        refuse(account, "content.shared-values")
    names = "\n".join(file.name for file in mail.files)
    parts = {
        "subject": mail.subject,
        "from-name": mail.from_name,
        "attachment-name": names,
        "header": mail.other_headers(),
    }
    _scan(account, parts)


def _check_answers(account: Account, mailboxes: Iterable[Address], *, sender_domain: str) -> None:
    """Answers go where the account said that they may, or to nobody (hipaa.md S10)."""
    if not replies.all_attested(account.pk, list(mailboxes), sender_domain=sender_domain):
        refuse(account, "inbound.reply-address")


def is_opaque(text: str) -> bool:
    """Whether an id of the caller's choosing says nothing: empty, or a UUID."""
    try:
        return not text or bool(UUID(text))
    except ValueError:
        return False


def refuse(account: Account, key: str) -> None:
    """Raises NotEligible for a capability that is not eligible."""
    features.check_eligible(key, baa_status=account.baa_status)


def _people(request: EmailRequest) -> list[str]:
    return [
        entry.client_id for group in request.groups for entry in (*group.to, *group.cc, *group.bcc) if entry.client_id
    ]


def _is_shared(_: Batch, request: EmailRequest) -> bool:
    # The body of a finished mail is one person's alone, so it goes to nobody else.
    if request.payload.raw and sum(len(group.to) for group in request.groups) > 1:
        return True
    return any(group.cc or group.bcc or (group.together and len(group.to) > 1) for group in request.groups)


def _has_free_ids(batch: Batch, request: EmailRequest) -> bool:
    ids = (batch.bulk_id, request.entity_id, request.application_id, *_people(request))
    return not all(map(is_opaque, ids))


_USES: Mapping[str, Callable[[Batch, EmailRequest], bool]] = {
    "api.marketing": lambda batch, _: batch.purpose == Purpose.MARKETING,
    "api.copies": _is_shared,
    "api.free-ids": _has_free_ids,
    "api.campaign-reference": lambda _, request: bool(request.campaign_reference),
    "api.callback-data": lambda _, request: bool(request.webhook.callback_data),
    "api.tracking-url": lambda _, request: bool(request.webhook.tracking_url),
    "flow.integrations": lambda _, request: bool(request.webhook.delivery_url),
    "content.default-placeholders": lambda _, request: bool(request.payload.defaults),
    "api.landing-pages": lambda _, request: bool(request.payload.landing_placeholders or request.landing_page),
    "api.custom-headers": lambda _, request: bool(request.payload.headers),
    "api.amp": lambda _, request: bool(request.payload.amp),
    "tracking.opens": lambda _, request: bool(request.payload.track_opens),
    "tracking.clicks": lambda _, request: bool(request.payload.track_clicks),
}


# --- What everybody gets of it ------------------------------------------------------------------------------------


def _check_texts(account: Account, payload: Payload, version: TemplateVersion | None) -> None:
    """Values stand in the body only; what is the same for everybody holds nothing about anybody, and loads nothing."""
    subject, html, text = payload.subject, payload.html, payload.text
    preheader = ""
    if version is not None:
        subject, preheader = version.subject, version.preheader
        html, text = (version.source, version.text_source) if version.source_kind != "text" else ("", version.source)
    if any(_VALUE.search(part) for part in (subject, preheader, payload.from_name)) or _has_value_in_tag(html):
        refuse(account, "content.shared-values")
    if _loads(html):
        refuse(account, "content.shared-services")
    names = "\n".join(entry.name for entry in payload.attachments)
    parts = {
        "subject": subject, "preheader": preheader, "html": html, "text": text, "from-name": payload.from_name,
        "attachment-name": names,
    }  # fmt: skip
    _scan(account, parts)


def _scan(account: Account, parts: Mapping[str, str]) -> None:
    """Refuse what the detectors block, unless a compliance officer excepted that very text."""
    given = tuple((place, text) for place, text in parts.items() if text)
    if not _has_hits(given):
        return
    now = timezone.now()
    found = scanning.scan(account.pk, owner=str(account.public_id), send="", parts=dict(given), now=now)
    scanning.note_hits(account.pk, send="", hits=found.hits, now=now)
    if any(hit.found.level == "block" and not hit.overridden_by for hit in found.hits):
        refuse(account, "content.shared-values")


@lru_cache(maxsize=256)
def _has_hits(parts: tuple[tuple[str, str], ...]) -> bool:
    """Whether anything blocks in these texts; programs send the same ones again and again."""
    return any(hit.level == "block" for hit in find(read_texts(dict(parts)), rules=load_rules()))


@lru_cache(maxsize=256)
def _read_tags(html: str) -> tuple[bool, bool]:
    reader = _Tags()
    reader.feed(html)
    reader.close()
    return reader.has_value, reader.loads


def _has_value_in_tag(html: str) -> bool:
    return _read_tags(html)[0]


def _loads(html: str) -> bool:
    return _read_tags(html)[1]


class _Tags(HTMLParser):
    """Whether a value stands in a tag or its attributes, and whether opening the mail would load anything."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.has_value = self.loads = False
        self._in_style = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._in_style = tag == "style"
        self.has_value |= _VALUE.search(self.get_starttag_text() or "") is not None
        for name, value in attrs:
            is_source = (tag in _LOADING and name in _LOADED_FROM) or name == "background"
            self.loads |= is_source and _REMOTE.match(value or "") is not None
            self.loads |= name == "style" and _CSS_REMOTE.search(value or "") is not None

    def handle_endtag(self, tag: str) -> None:
        del tag
        self._in_style = False

    def handle_data(self, data: str) -> None:
        if self._in_style:
            self.has_value |= _VALUE.search(data) is not None
            self.loads |= _CSS_REMOTE.search(data) is not None
