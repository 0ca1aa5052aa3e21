"""What mail of programs may hold in the HIPAA lane: the same refusals at every door, before anything is stored.

Protected information belongs into the values of single recipients. Whatever else a request could carry it in is refused, by
the capability that stands for it (compliance.features); nothing of what was sent is in any answer.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from uuid import UUID

from django.utils import timezone

from campaigns import addresses
from campaigns.addresses import Address
from campaigns.content.draft import draft_of
from campaigns.content.letter import LetterDraft, compile_letter
from campaigns.content.loading import Loaded, find_loaded, find_loaded_by
from campaigns.content.problems import TemplateError
from campaigns.content.submitted import Submitted
from campaigns.models import Account, Purpose, TemplateVersion
from campaigns.outbox.batches import Batch, EmailRequest
from campaigns.outbox.payload import Payload
from compliance import features, scanning
from compliance.agreements import replies
from compliance.detectors.engine import find
from compliance.detectors.rules import load_rules
from compliance.detectors.texts import PatientParser, read_texts

_VALUE = re.compile(r"\{\{|\{%")


def check_request(batch: Batch, request: EmailRequest) -> None:
    """Returns when the request may be taken into the HIPAA lane; raises NotEligible."""
    for key, is_used in _USES.items():
        if is_used(batch, request):
            refuse(batch.account, key)
    if not request.payload.raw:
        answers = {group.reply_to or request.payload.from_mailbox for group in request.groups}
        _check_answers(batch.account, map(addresses.parse, answers), sender_domain=request.sender_domain)
        _check_texts(batch.account, request.payload, request.content)
        if _has_unused_values(batch.account, request):
            refuse(batch.account, "content.unused-values")


def check_finished(account: Account, mail: Submitted) -> None:
    """The same for a finished mail: what its head tells, and what showing it would load. Its words are one recipient's alone.

    Raises NotEligible.
    """
    if len({address.key for _, address in mail.recipients()}) > 1:
        refuse(account, "api.copies")
    _check_answers(account, mail.answers_to(), sender_domain=mail.sender.domain)
    if any(keep_foreign(account, find_loaded(html)) for html in mail.htmls()):
        refuse(account, "content.shared-services")
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


def keep_foreign(account: Account, loaded: Iterable[Loaded]) -> list[Loaded]:
    """What may not be loaded of this: everything but still pictures at domains the account has proven to be its own."""
    found = list(loaded)
    if not found:
        return []
    own = frozenset(account.domains.exclude(verified_at=None).values_list("name", flat=True))
    return [entry for entry in found if not entry.is_still_picture_at(own)]


def refuse(account: Account, key: str) -> None:
    """Raises NotEligible for a capability that is not eligible."""
    features.check_eligible(key, baa_status=account.baa_status)


def _people(request: EmailRequest) -> list[str]:
    return [
        entry.client_id for group in request.groups for entry in (*group.to, *group.cc, *group.bcc) if entry.client_id
    ]


def _has_unused_values(account: Account, request: EmailRequest) -> bool:
    """Whether somebody is given a value the mail has no place for: more than is needed (45 CFR 164.514(d))."""
    given = {name for group in request.groups for entry in (*group.to, *group.cc, *group.bcc) for name in entry.values}
    if not given:
        return False
    if request.content is not None:
        return not given <= {str(variable["name"]) for variable in request.content.variables}
    payload = request.payload
    draft = LetterDraft(
        subject=payload.subject, html=payload.html, text=payload.text, amp=payload.amp, language=payload.language,
        addressed=account.postal_address,
    )  # fmt: skip
    try:
        return not given <= compile_letter(draft).names
    except TemplateError:
        # It never leaves, and whoever reads its report is told why.
        return False


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
    loaded = _find_loaded(html) if version is None else tuple(find_loaded_by(draft_of(version)))
    if keep_foreign(account, loaded):
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
def _find_loaded(html: str) -> tuple[Loaded, ...]:
    """What opening the mail would load; programs send the same HTML again and again."""
    return tuple(find_loaded(html))


@lru_cache(maxsize=256)
def _has_value_in_tag(html: str) -> bool:
    reader = _Tags()
    reader.read(html)
    return reader.has_value


class _Tags(PatientParser):
    """Whether a value stands in a tag, its attributes or a style."""

    def __init__(self) -> None:
        super().__init__()
        self.has_value = False
        self._in_style = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        del attrs
        self._in_style = tag == "style"
        self.has_value |= _VALUE.search(self.get_starttag_text() or "") is not None

    def handle_endtag(self, tag: str) -> None:
        del tag
        self._in_style = False

    def handle_data(self, data: str) -> None:
        if self._in_style:
            self.has_value |= _VALUE.search(data) is not None
