"""Mail of programs on its way into the ledger: what a request is, what can be refused at once, and the rows it becomes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.utils import timezone

from campaigns import filetypes, tokens
from campaigns.errors import CampaignError
from campaigns.models import (
    Account,
    BaaStatus,
    Lane,
    PixelPosition,
    ReportLevel,
    Submission,
    SubmissionState,
    Transport,
)
from campaigns.models import Domain as SendingDomain
from campaigns.outbox import facts, protected
from campaigns.outbox.batches import LONGEST_VALIDITY, Accepted, Addressee, Batch, EmailRequest, Group
from campaigns.outbox.dsn_request import seal_request
from campaigns.outbox.payload import (
    Heading,
    Personal,
    Webhook,
    seal_landing,
    seal_payload,
    seal_recipients,
    seal_webhook,
)
from campaigns.outbox.pools import choose_transport
from campaigns.outbox.rows import NewMessage
from campaigns.outbox.sandboxes import find_sandbox
from campaigns.outbox.tracker import TrackingOptions, is_allowed
from campaigns.outbox.views import link_option, version_option
from campaigns.prepared import new_row
from campaigns.storage.terms import Skips
from campaigns.webhooks import endpoints
from compliance import gate
from compliance.facts import AttachmentFacts

__all__ = [
    "LONGEST_VALIDITY", "Accepted", "Addressee", "Batch", "EmailRequest", "Group", "check_batch", "find_transport",
    "make_messages", "make_submission",
]  # fmt: skip

MOST_RECIPIENTS = 1000
DOMAIN_NOT_VERIFIED = "hipaa.domain-not-verified"
"""Whatever is wrong with the sender's domain, as programs in the HIPAA lane are told at once."""
KEYS_KEPT = timedelta(hours=48)


def check_batch(batch: Batch, *, malformed: int = 0) -> None:
    """What can be said at once, before anything is stored; raises CampaignError.

    Codes: `request.no-recipients`, `request.too-many-recipients` (counting `malformed` ones too), `request.too-large`, and
    those of rules about files and agreements, which no report could put right. In the HIPAA lane those about the sender too:
    nothing protected is taken in that could not leave.
    """
    _check_size(batch, malformed=malformed)
    for request in batch.requests:
        if batch.lane == Lane.HIPAA:
            protected.check_request(batch, request)
        if request.payload.attachments or request.payload.listed or batch.account.baa_status != BaaStatus.NONE:
            _ask_gate(batch, request)


def _ask_gate(batch: Batch, request: EmailRequest) -> None:
    """Ask the gate about what is known now: files and features. The rest it is asked at hand-over."""
    payload = request.payload
    files = (
        *(AttachmentFacts(file.name, file.detected_type, file.size) for file in payload.listed),
        *(
            AttachmentFacts(entry.name, filetypes.detect_type(entry.name, entry.data), len(entry.data))
            for entry in payload.attachments
        ),
    )
    draft = Submission(account=batch.account, door=batch.door, lane=batch.lane, purpose=batch.purpose)
    is_protected, kind = batch.lane == Lane.HIPAA, ""
    if is_protected:
        draft.domain = SendingDomain.objects.filter(account=batch.account, name=request.sender_domain).first()
        kind = find_transport(batch.account, pool=request.pool, domain=draft.domain, to_sandbox=batch.to_sandbox).kind
    known = facts.submission_facts(
        draft, transport_kind=kind, has_unsubscribe_link=True, has_postal_address=True, attachments=files
    )
    for finding in gate.decide(facts.recipient_facts(known, block="", size=0)).findings:
        if is_protected or not finding.code.startswith("sender."):
            status = 400 if finding.code.startswith("attachment.") else 403
            code = DOMAIN_NOT_VERIFIED if finding.code.startswith("sender.") else finding.code
            raise CampaignError(code, finding.text, action=finding.action, status=status)


def _check_size(batch: Batch, *, malformed: int) -> None:
    count = malformed + sum(
        len(group.to) + len(group.cc) + len(group.bcc) for request in batch.requests for group in request.groups
    )
    if not count:
        raise CampaignError("request.no-recipients", "There is nobody to send to.", action="Name a recipient.")
    if count > MOST_RECIPIENTS:
        raise CampaignError(
            "request.too-many-recipients",
            f"One request has at most {MOST_RECIPIENTS} recipients, counted over to, cc and bcc.",
            action="Send the others with another request.",
        )
    for request in batch.requests:
        files = sum(len(entry.data) for entry in request.payload.attachments) + len(request.payload.raw)
        # Base64 makes 4 of 3 and adds line ends: the limit is on the mail as it leaves (evil input 16).
        if files * 1.37 > settings.MAX_MESSAGE_BYTES and not request.payload.raw:
            raise _too_large()
        if len(request.payload.raw) > settings.MAX_MESSAGE_BYTES:
            raise _too_large()


def _too_large() -> CampaignError:
    megabytes = settings.MAX_MESSAGE_BYTES // (1024 * 1024)
    return CampaignError(
        "request.too-large",
        f"A mail has at most {megabytes} MB with its attachments.",
        action="Attach less.",
        status=413,
    )


def find_transport(account: Account, *, pool: str, domain: SendingDomain | None, to_sandbox: bool = False) -> Transport:
    """The way out for mail of this pool and domain; raises CampaignError `request.no-transport` or `request.pool-…`.

    Mail for the sandbox takes no other way, but is refused for a pool as other mail is.
    """
    if to_sandbox and not pool:
        return find_sandbox(account)
    transport = choose_transport(account, pool=pool, domain=domain)
    if transport is None:
        raise CampaignError(
            "request.no-transport",
            "This account has no way to send.",
            action="Choose a default way to send in the admin.",
            status=503,
        )
    return find_sandbox(account) if to_sandbox else transport


def make_submission(
    batch: Batch, request: EmailRequest, *, transport: Transport, domain: SendingDomain | None
) -> Submission:
    """The unsaved submission of a request, its payload sealed."""
    count = sum(len(group.to) + len(group.cc) + len(group.bcc) for group in request.groups)
    submission = new_row(
        Submission,
        account=batch.account,
        door=batch.door,
        lane=batch.lane,
        purpose=batch.purpose,
        state=SubmissionState.OPEN,
        content=request.content,
        domain=domain,
        transport=transport,
        options=_options(request),
        send_at=batch.send_at,
        valid_until=batch.send_at + min(request.valid_for, LONGEST_VALIDITY),
        planned=count,
        from_address=request.payload.from_mailbox,
        bulk_id=batch.bulk_id,
        campaign_reference=request.campaign_reference,
        entity_id=request.entity_id,
        application_id=request.application_id,
    )
    if is_allowed(submission):
        landing = seal_landing(submission, request.payload.landing_placeholders, now=timezone.now())
        submission.options |= {"landing": landing} if landing else {}
        submission.options |= {"landing_page": request.landing_page} if request.landing_page else {}
    submission.options |= seal_request(submission, request.dsn)
    headings = tuple(_heading(group) for group in request.groups)
    _name_listeners(submission, request.webhook, is_trial=batch.to_sandbox)
    submission.payload_sealed = seal_payload(submission, replace(request.payload, headings=headings))
    return submission


def _options(request: EmailRequest) -> dict[str, Any]:
    """What hand-over needs of the request later; a request can ask for less tracking than the account does, never more."""
    payload = request.payload
    tracking = TrackingOptions(
        opens=payload.track_opens is not False,
        clicks=payload.track_clicks is not False,
        pixel=PixelPosition.TOP if payload.pixel_at_top else PixelPosition.BOTTOM,
    )
    week = {"week": request.week.as_option()} if request.week else {}
    storage = {"storage": request.skips.as_option()} if request.skips != Skips() else {}
    texts = (payload.subject, payload.html, payload.text, payload.amp)
    link = version_option(request.content) if request.content is not None else link_option(*texts)
    return {"tracking": tracking.as_option(), **week, **storage, **link}


def _name_listeners(submission: Submission, webhook: Webhook, *, is_trial: bool) -> None:
    """Who is told, as far as the database must know; the addresses themselves are sealed."""
    account = submission.account
    submission.webhook_sealed = seal_webhook(submission, webhook)
    if is_trial:
        # Programs are told of what went out, and nothing did.
        submission.report_level = ReportLevel.NONE
        return
    # Calls to such addresses are not signed: about health mail only the account's own webhooks are told.
    if submission.lane == Lane.STANDARD and account.baa_status == BaaStatus.NONE:
        submission.reports_to = endpoints.find_host(account, webhook.delivery_url) if webhook.delivery_url else None
        submission.events_to = endpoints.find_host(account, webhook.tracking_url) if webhook.tracking_url else None
    if not webhook.notify:
        submission.report_level = ReportLevel.NONE
    elif webhook.intermediate:
        submission.report_level = ReportLevel.ALL


def _heading(group: Group) -> Heading:
    alone = not group.together and len(group.to) > 1
    return Heading(
        to=None if alone else tuple(entry.shown for entry in group.to),
        cc=tuple(entry.shown for entry in group.cc),
        reply_to=group.reply_to,
    )


def make_messages(
    submission: Submission, request: EmailRequest, *, batch: Batch
) -> tuple[list[NewMessage], list[Accepted]]:
    """The messages of a request in the order of its recipients, and what the caller is told of them."""
    told: dict[str, str] = {}  # the id its sender knows a mail by, by address key
    found: list[tuple[Addressee, str]] = []  # with the id its sender gave it
    recipients: list[tuple[str, str, Personal]] = []
    answers: list[Accepted] = []
    index = tokens.blind_index(batch.account.public_id)
    for number, group in enumerate(request.groups):
        first = ""
        for part, entry in _parts(group):
            key = index(entry.address)
            if key in told:
                # Nobody gets one mail twice: whoever is named twice has it by the first name.
                answers.append(Accepted(entry.address, told[key]))
                continue
            public_id = str(uuid4())
            shared = first if group.together and part == "to" else ""
            client_id = shared or entry.client_id
            told[key] = client_id or public_id
            found.append((entry, client_id))
            mailbox = entry.address.mailbox if submission.lane == Lane.HIPAA else ""
            recipients.append((public_id, key, Personal(number, part, entry.name, entry.values, mailbox)))
            if not shared:
                answers.append(Accepted(entry.address, told[key]))
            if part == "to" and not first:
                first = told[key]
    return _seal(submission, found, recipients, is_trial=batch.to_sandbox), answers


def _seal(
    submission: Submission,
    found: Sequence[tuple[Addressee, str]],
    recipients: Sequence[tuple[str, str, Personal]],
    *,
    is_trial: bool,
) -> list[NewMessage]:
    is_protected = submission.lane == Lane.HIPAA
    return [
        NewMessage(
            public_id=public_id,
            submission=submission,
            recipient="" if is_protected else entry.address.normalized,
            recipient_domain=entry.address.domain,
            address_key=key,
            personal_sealed=sealed,
            client_id=client_id,
            awaits_report=not is_trial,
        )
        for (entry, client_id), (public_id, key, _), sealed in zip(
            found, recipients, seal_recipients(submission, recipients), strict=True
        )
    ]


def _parts(group: Group) -> list[tuple[str, Addressee]]:
    return [
        *(("to", entry) for entry in group.to),
        *(("cc", entry) for entry in group.cc),
        *(("bcc", entry) for entry in group.bcc),
    ]
