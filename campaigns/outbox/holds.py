"""What keeps protected mail from leaving now: agreement, terms, a stop, the approval, and the relay it would leave by.

Ordinary mail asks nothing here. Whatever holds is asked again and again: mail waits, nothing of it is lost or refused.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from campaigns import addresses
from campaigns.delivery.smtp_relay import Tls
from campaigns.models import Account, BaaStatus, Lane, Sender, Submission, Transport
from campaigns.outbox.transports import read_config
from compliance import standing, vault
from compliance.agreements import recording, replies
from compliance.approvals import starting
from compliance.standing import Hold

ASK_AGAIN = timedelta(minutes=1)
_SANDBOX, _RELAY = "sandbox", "smtp"

_NOT_APPROVED = Hold("hipaa.not-approved", "This send is not approved.", "Submit it for approval.")
_RELAY_INELIGIBLE = Hold(
    "hipaa.relay-ineligible",
    "Mail under HIPAA leaves by an SMTP relay whose encryption we verify ourselves, and this way to send is none.",
    "Choose an SMTP relay as the way to send.",
)
_TLS_OFF = Hold(
    "hipaa.tls-required",
    "The relay is set up without encryption, and mail under HIPAA never leaves unencrypted.",
    "Turn on STARTTLS or TLS on the page of this way to send.",
)
_NO_AGREEMENT = Hold(
    "hipaa.no-subcontractor-baa",
    "No agreement with whoever runs this relay is on file.",
    "A compliance officer records it under Compliance › Agreements.",
)
_MAY_FALL_BACK = Hold(
    "hipaa.relay-plaintext",
    "Nobody has said that this relay hands mail on over TLS only, so protected mail could travel unencrypted behind it.",
    "Have whoever runs it turn that on, then record it with the agreement under Compliance › Agreements.",
)
_REPLIES = Hold(
    replies.CODE,
    "Answers to this sender go to a mailbox nobody has attested to be yours and under your agreement.",
    "A compliance officer attests it under Compliance › Agreements, or the sender gets a no-reply address at its domain.",
)


def is_protected(account: Account) -> bool:
    """Whether mail of the account asks what holds it; an account that has none of this costs no question."""
    return account.baa_status != BaaStatus.NONE


def find_send_hold(submission: Submission, *, now: datetime) -> Hold | None:
    """Why nothing of a submission leaves now; None for ordinary mail, without asking anything."""
    if submission.lane != Lane.HIPAA:
        return None
    hold = find_account_hold(submission.account_id, transport=submission.transport, now=now)
    if hold is not None or submission.campaign_id is None:
        return hold
    if submission.sender is not None and not has_attested_replies(submission.sender):
        return _REPLIES
    return None if starting.find_sending(submission.campaign_id) is not None else _NOT_APPROVED


def has_attested_replies(sender: Sender) -> bool:
    """Whether answers to its mail go where the account said that they may."""
    mailbox = addresses.parse(sender.reply_to or sender.email)
    return replies.all_attested(sender.account_id, [mailbox], sender_domain=sender.domain.name)


def find_account_hold(account_id: int, *, transport: Transport, now: datetime) -> Hold | None:
    """Why nothing protected of an account leaves by this way now."""
    return standing.find_hold(account_id, now=now) or find_relay_hold(transport, now=now)


def find_relay_hold(transport: Transport, *, now: datetime) -> Hold | None:
    """Why protected mail does not leave by this way: 45 CFR 164.312(e)(1), 164.308(b), 164.314(a).

    The sandbox sends nothing anywhere and keeps nothing of such mail.
    """
    if transport.kind == _SANDBOX:
        return None
    if transport.kind != _RELAY:
        return _RELAY_INELIGIBLE
    config = _read_config(transport)
    if config.get("tls", Tls.STARTTLS) not in {Tls.STARTTLS, Tls.IMPLICIT}:
        return _TLS_OFF
    known = recording.find_subcontractor(str(config.get("host", "")), on=now.date())
    if known is None or known.no_phi_because:
        return _NO_AGREEMENT
    return None if recording.is_fit_for_protected(known) else _MAY_FALL_BACK


def _read_config(transport: Transport) -> dict[str, Any]:
    """Settings that cannot be opened now name no host, and so no agreement."""
    try:
        return read_config(transport)
    except (vault.SealBroken, vault.KeysUnavailable, ValueError):
        return {}
