"""Accounts that may send under HIPAA, what they send, and relays whose certificates the product trusts."""

from __future__ import annotations

import hashlib
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import trustme
from django.utils import timezone

from campaigns import addresses, tokens
from campaigns.models import (
    Account,
    ApiKey,
    Campaign,
    Door,
    Lane,
    Message,
    Submission,
    SubmissionState,
    Transport,
)
from campaigns.outbox.parts import describe_send
from campaigns.outbox.payload import Personal, seal_recipients
from campaigns.outbox.transports import seal_config
from compliance.agreements import recording, replies, status, terms
from compliance.agreements.recording import Agreement
from compliance.approvals.policy import set_policy
from compliance.approvals.quorum import Person
from compliance.approvals.starting import MADE_HERE, Leaf, start
from compliance.approvals.submitting import Send, submit
from compliance.approvals.voting import approve
from compliance.audit import Ref
from compliance.manifest import PARTS, list_recipients, make_leaf
from compliance.models import Approval, Baa
from tests.approvals import ATTESTED, make_person
from tests.factories import make_account, make_api_key, make_campaign, make_sender, make_template, make_version

HOST = "127.0.0.1"
SOURCE = "<html><body><p>Dear {{ first_name }}, your appointment is {{ appointment }}.</p></body></html>"
VARIABLES = [
    {"name": "first_name", "label": "", "sample": "Ann", "default": None},
    {"name": "appointment", "label": "", "sample": "Monday", "default": None},
]


@dataclass(slots=True)
class Clinic:
    """An account with an agreement, a policy, accepted terms, a verified sender and a relay that may be used."""

    account: Account
    author: Person
    approver: Person
    officer: Person

    @property
    def owner(self) -> str:
        return str(self.account.public_id)

    def aim(self, port: int, *, tls: str = "starttls", host: str = HOST) -> None:
        """Send by a relay on loopback."""
        transport = Transport.objects.get(account=self.account, is_default=True)
        transport.kind = "smtp"
        transport.config_sealed = seal_config(
            transport, config={"host": host, "port": port, "tls": tls, "timeout": 5, "connections": 2}
        )
        transport.save()

    def key(self, **fields: Any) -> tuple[ApiKey, str]:
        return make_api_key(self.account, **({"lane": Lane.HIPAA} | fields))


def make_clinic(*, with_relay_agreement: bool = True) -> Clinic:
    account, now = make_account(), timezone.now()
    people = [make_person(account, role) for role in ("author", "approver", "compliance")]
    clinic = Clinic(account, *people)
    signed = Agreement(
        counterparty="Harbour Clinic", signatory="Head of clinic", signed_on=now.date(), document_sha256="ab" * 32,
        effective_from=now.date() - timedelta(days=1),
    )  # fmt: skip
    recording.record_customer(account.pk, signed, owner=clinic.owner, by=clinic.officer, now=now)
    if with_relay_agreement:
        sign_relay(clinic)
    version = terms.current_terms(now=now).version
    terms.accept_terms(account.pk, owner=clinic.owner, version=version, by=clinic.officer, now=now)
    set_policy(
        account.pk,
        owner=clinic.owner,
        approvals=1,
        valid_days=7,
        allows_importers=False,
        actor=Ref("person", "1"),
        now=now,
    )
    for step in ("pending", "active"):
        status.change_status(account.pk, to=step, reason="onboarding", by=clinic.officer, now=now)
    account.refresh_from_db()
    return clinic


def attest(clinic: Clinic, *mailboxes: str) -> None:
    """Answers may go to these."""
    for address in mailboxes:
        replies.attest(clinic.account.pk, owner=clinic.owner, address=address, by=clinic.officer, now=timezone.now())


def sign_relay(clinic: Clinic, host: str = HOST, *, onward: str = Baa.Onward.TLS_ONLY) -> None:
    """Record an agreement with whoever runs the relay."""
    today = timezone.now().date()
    agreement = Agreement(
        counterparty="Relay Ltd", signatory="Relay", signed_on=today, document_sha256="cd" * 32, effective_from=today
    )
    recording.record_subcontractor(host, agreement, onward=onward, by=clinic.officer, now=timezone.now())


@dataclass(slots=True)
class ClinicSend:
    """A HIPAA send whose messages wait."""

    clinic: Clinic
    campaign: Campaign
    submission: Submission

    def parts(self) -> dict[str, Any]:
        rows = Submission.objects.select_related("campaign", "content", "sender__domain", "transport")
        fresh = rows.get(pk=self.submission.pk)
        assert fresh.campaign is not None
        assert fresh.content is not None
        assert fresh.sender is not None
        known = describe_send(
            fresh.campaign, content=fresh.content, sender=fresh.sender, transport=fresh.transport, purpose=fresh.purpose
        )
        stated = {"legal_basis": "treatment", "schedule": "now", "attachments": []}
        return {**dict.fromkeys(PARTS - MADE_HERE, ""), **known, **stated}

    def leaves(self) -> list[Leaf]:
        rows = Message.objects.filter(submission=self.submission, state="queued").order_by("pk")
        return [(row.pk, make_leaf(row.address_key, bytes(row.placeholders_sealed or b""))) for row in rows]

    def approve(self) -> Approval:
        """Approved by two people, and begun."""
        now, clinic = timezone.now(), self.clinic
        send = Send(
            account_id=clinic.account.pk, campaign_id=self.campaign.pk, campaign=str(self.campaign.public_id),
            parts=self.parts(), recipients=list_recipients(leaf for _, leaf in self.leaves()), legal_basis="treatment",
            ruleset="1", attested=ATTESTED,
        )  # fmt: skip
        approval = submit(send, by=clinic.author, network="192.0.2.0/24", now=now)
        approve(approval, by=clinic.approver, seen=approval.digest, attested=ATTESTED, now=now)
        start(approval, parts=self.parts(), leaves=self.leaves(), now=now)
        return approval

    def states(self) -> list[str]:
        """The states of its messages, in their order."""
        return list(Message.objects.filter(submission=self.submission).order_by("pk").values_list("state", flat=True))


def make_send(clinic: Clinic, *, people: Sequence[str] = ("ann@example.org", "ben@example.org")) -> ClinicSend:
    """A send with sealed messages, not approved yet."""
    account, now = clinic.account, timezone.now()
    version = make_version(
        make_template(account), subject="A message from your clinic", source=SOURCE, variables=VARIABLES
    )
    sender = make_sender(account)
    attest(clinic, sender.email)
    campaign = make_campaign(
        account, kind="hipaa", purpose="transactional", content=version, sender=sender, state="sending"
    )
    submission = Submission.objects.create(
        account=account, campaign=campaign, door=Door.CAMPAIGN, lane=Lane.HIPAA, purpose="transactional",
        state=SubmissionState.OPEN, content=version, sender=sender, options={"lists": []},
        transport=Transport.objects.get(account=account, is_default=True), send_at=now, valid_until=now + timedelta(days=2),
        planned=len(people),
    )  # fmt: skip
    found = [addresses.parse(text) for text in people]
    recipients = [
        (
            uuid4(),
            tokens.address_key(address, account=account.public_id),
            Personal(
                values={"first_name": address.local.title(), "appointment": "CANARY-ward"}, mailbox=address.mailbox
            ),
        )
        for address in found
    ]
    sealed = seal_recipients(submission, recipients)
    Message.objects.bulk_create(
        Message(
            public_id=pk, submission=submission, recipient="", recipient_domain=address.domain, address_key=key,
            placeholders_sealed=value, next_attempt_at=now,
        )
        for (pk, key, _), address, value in zip(recipients, found, sealed, strict=True)
    )  # fmt: skip
    return ClinicSend(clinic, campaign, submission)


class Authority:
    """A certificate authority the product trusts for the time of a test."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.fingerprint = ""  # of the certificate issued last
        self._ca = trustme.CA()
        self._ca.cert_pem.write_to_path(str(folder / "ca.pem"))
        patch.setenv("SSL_CERT_FILE", str(folder / "ca.pem"))

    def server(self, name: str = HOST, *, expired: bool = False, stranger: bool = False) -> ssl.SSLContext:
        """The context of a server with this name; an expired certificate, or one nobody knows the issuer of."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        ends = datetime(2020, 1, 1, tzinfo=timezone.get_default_timezone()) if expired else None
        issuer = trustme.CA() if stranger else self._ca
        leaf = issuer.issue_cert(name, not_before=ends - timedelta(days=9) if ends else None, not_after=ends)
        leaf.configure_cert(context)
        pem = leaf.cert_chain_pems[0].bytes().decode("ascii")
        self.fingerprint = hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest()
        return context
