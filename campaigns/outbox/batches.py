"""What programs bring, before it is in the ledger: people, groups of them, mails, and the call they came with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from campaigns.addresses import Address
from campaigns.models import Account, Door, Lane, Purpose, TemplateVersion
from campaigns.outbox.dsn_request import DsnRequest
from campaigns.outbox.payload import Payload, Webhook
from campaigns.outbox.windows import WeekWindow
from campaigns.storage.terms import Skips

LONGEST_VALIDITY = timedelta(hours=48)


@dataclass(frozen=True, slots=True, repr=False)
class Addressee:
    """One address of a group: its name and values, and the id the caller gave the mail to it."""

    address: Address
    name: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)
    client_id: str = ""

    @property
    def shown(self) -> tuple[str, str]:
        return self.name, self.address.mailbox


@dataclass(frozen=True, slots=True, repr=False)
class Group:
    """Recipients that belong together. With `together` everybody in `to` sees the others, else only themselves."""

    to: tuple[Addressee, ...]
    cc: tuple[Addressee, ...] = ()
    bcc: tuple[Addressee, ...] = ()
    reply_to: str = ""
    together: bool = False


@dataclass(frozen=True, slots=True, repr=False)
class EmailRequest:
    """One mail to one or more groups. `payload.headings` is filled in here; with `content` the texts are a version's."""

    groups: tuple[Group, ...]
    payload: Payload
    sender_domain: str
    webhook: Webhook = field(default_factory=Webhook)
    content: TemplateVersion | None = None
    valid_for: timedelta = LONGEST_VALIDITY
    week: WeekWindow | None = None
    pool: str = ""
    campaign_reference: str = ""
    entity_id: str = ""
    application_id: str = ""
    skips: Skips = field(default_factory=Skips)
    dsn: DsnRequest | None = None
    # The key of the unsubscribe page, when it is not the usual one.
    landing_page: int | None = None


@dataclass(frozen=True, slots=True, repr=False)
class Batch:
    """What one call brings: mails that share a bulk id and a time. With `to_sandbox` they stay in the house."""

    account: Account
    door: Door
    purpose: Purpose
    requests: tuple[EmailRequest, ...]
    send_at: datetime
    bulk_id: str = ""
    lane: Lane = Lane.STANDARD
    to_sandbox: bool = False


@dataclass(frozen=True, slots=True, repr=False)
class Accepted:
    """One mail taken: to whom, and the id the caller knows it by."""

    address: Address
    message_id: str
