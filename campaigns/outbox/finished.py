"""Finished mails of programs, which both doors hand in the same way: who may send them, and what is stored of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from campaigns.addresses import Address
from campaigns.content.mail_controls import Controls
from campaigns.content.mail_head import MailRefused
from campaigns.content.submitted import Submitted
from campaigns.errors import CampaignError
from campaigns.models import Account, Domain, Door, Lane, Purpose
from campaigns.outbox import protected, sandboxes
from campaigns.outbox.dsn_request import DsnRequest, with_head
from campaigns.outbox.payload import ListedFile, Payload, Webhook
from campaigns.outbox.requests import Addressee, Batch, EmailRequest, Group

# Signs of routes through other servers (RFC 5321 §3.6.1, appendix C and F.2): nobody's mailbox has them any more.
_ROUTING = frozenset("%!")


@dataclass(frozen=True, slots=True)
class SendingRights:
    """Which domains an account may send finished mails from: name to whether it is verified.

    A way out that `keeps_mail` on this machine wants no verified domain.
    """

    domains: Mapping[str, bool]
    keeps_mail: bool

    def require(self, domain: str) -> None:
        """Returns when mail may come from this A-label domain; raises CampaignError `sender.domain-…` (SU-04)."""
        verified = self.domains.get(domain)
        if verified is None:
            raise CampaignError(
                "sender.domain-unknown",
                "The sender's domain is not one of this account's.",
                action="Send from a domain of the account, or add this one to it.",
            )
        if not verified and not self.keeps_mail:
            raise CampaignError(
                "sender.domain-unverified",
                "The sender's domain is not verified.",
                action="Publish the records shown on the domain's page, then check the domain again.",
            )


def load_rights(account: Account, *, to_sandbox: bool = False) -> SendingRights:
    """The rights as they are now."""
    rows = Domain.objects.filter(account=account).values_list("name", "verified_at")
    kind = account.transports.filter(is_default=True).values_list("kind", flat=True).first()
    keeps_mail = to_sandbox or kind == sandboxes.KIND
    return SendingRights({name: verified_at is not None for name, verified_at in rows}, keeps_mail)


def check_recipient(address: Address) -> None:
    """Raises MailRefused for an address that asks another server to pass mail on (SU-03)."""
    if not _ROUTING.isdisjoint(address.local):
        raise MailRefused(
            "address.routed", "This address names a route through other servers.", action="Name a mailbox."
        )


@dataclass(frozen=True, slots=True)
class Origin:
    """Which door a mail came in by, and in whose name."""

    account: Account
    door: Door
    purpose: Purpose
    lane: Lane
    to_sandbox: bool = False


def compose_batch(
    mail: Submitted,
    *,
    origin: Origin,
    recipients: Sequence[tuple[str, Address]],
    controls: Controls | None = None,
    dsn: DsnRequest | None = None,
    now: datetime,
) -> Batch:
    """One finished mail to these (name, address) as the outbox takes it; `controls` instead of those of its headers.

    By SMTP, and where the caller gave an id, one id stands for the mail to all of them. Nobody is told by mail (`dsn`) of
    what stays in the sandbox. Raises MailRefused `mail.finished-marketing`; NotEligible in the HIPAA lane.
    """
    if origin.purpose == Purpose.MARKETING:
        # The gate would refuse it at hand-over: nobody looked for the link and the address in it.
        raise MailRefused(
            "mail.finished-marketing",
            "A key for marketing sends no finished mails: nobody sees whether they show an unsubscribe link and an address.",
            action="Use a key for transactional mail, hand in texts by HTTP, or send a campaign.",
        )
    if origin.lane == Lane.HIPAA:
        protected.check_finished(origin.account, mail)
    told = controls or mail.controls
    payload = Payload(
        from_name=mail.from_name,
        from_mailbox=mail.sender.mailbox,
        subject=mail.subject,
        raw=mail.raw,
        listed=tuple(ListedFile(file.name, file.detected_type, file.size) for file in mail.files),
        track_opens=told.track_opens,
        track_clicks=told.track_clicks,
    )
    addressees = [Addressee(address, name) for name, address in recipients]
    if addressees and told.message_id:
        addressees[0] = replace(addressees[0], client_id=told.message_id)
    request = EmailRequest(
        groups=(Group(tuple(addressees), together=origin.door == Door.SMTP or bool(told.message_id)),),
        payload=payload,
        sender_domain=mail.sender.domain,
        webhook=Webhook(
            delivery_url=told.notify_url,
            tracking_url=told.tracking_url,
            content_type=told.notify_content_type,
            intermediate=told.intermediate_report,
            callback_data=told.callback_data,
        ),
        pool=told.pool,
        campaign_reference=told.campaign_reference,
        entity_id=told.entity_id,
        application_id=told.application_id,
        dsn=with_head(dsn, mail.raw) if dsn is not None and not origin.to_sandbox else None,
    )
    return Batch(
        account=origin.account,
        door=origin.door,
        purpose=origin.purpose,
        requests=(request,),
        send_at=now,
        bulk_id=told.bulk_id,
        lane=origin.lane,
        to_sandbox=origin.to_sandbox,
    )
