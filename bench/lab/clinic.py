"""Inside an installation: an account under an agreement with approved sends: python -m bench.lab.clinic fill | start; one line of JSON."""

from __future__ import annotations

import argparse
import json
from datetime import timedelta
from typing import Any
from uuid import uuid4

import django

django.setup()

from django.contrib.auth import get_user_model  # noqa: E402
from django.utils import timezone  # noqa: E402

from bench.lab import newsletter  # noqa: E402
from campaigns import addresses, tokens  # noqa: E402
from campaigns.accounts.creation import create_account  # noqa: E402
from campaigns.content.draft import Variable, VersionDraft  # noqa: E402
from campaigns.content.versions import create_version  # noqa: E402
from campaigns.domains.senders import create_sender  # noqa: E402
from campaigns.models import (  # noqa: E402
    Account,
    Campaign,
    DnsFinding,
    Domain,
    Door,
    EmailTemplate,
    Lane,
    Membership,
    Message,
    Submission,
    SubmissionState,
    Transport,
)
from campaigns.outbox import transports  # noqa: E402
from campaigns.outbox.parts import describe_send  # noqa: E402
from campaigns.outbox.payload import Personal, seal_recipients  # noqa: E402
from compliance.agreements import recording, replies, status, terms  # noqa: E402
from compliance.agreements.recording import Agreement  # noqa: E402
from compliance.approvals.attest import STATEMENTS  # noqa: E402
from compliance.approvals.policy import set_policy  # noqa: E402
from compliance.approvals.quorum import Person  # noqa: E402
from compliance.approvals.starting import MADE_HERE, Leaf, start  # noqa: E402
from compliance.approvals.submitting import Send, submit  # noqa: E402
from compliance.approvals.voting import approve  # noqa: E402
from compliance.audit import SYSTEM  # noqa: E402
from compliance.manifest import PARTS, list_recipients, make_leaf  # noqa: E402
from compliance.models import Baa  # noqa: E402

_CHUNK = 2_000
_ROLES = ("author", "approver", "compliance")
_ATTESTED = {
    statement.code: {name: sorted(values)[0] for name, values in statement.needs.items()} for statement in STATEMENTS
} | {"A1": {"basis": "treatment"}, "A2": {"authorization": "not-required-treatment"}}


def fill(*, port: int, connections: int) -> dict[str, Any]:
    """An account with an agreement, accepted terms, a policy, people, a relay with its own agreement, and a template."""
    now, today = timezone.now(), timezone.now().date()
    account = create_account(name="Clinic", slug="clinic", postal_address="Clinic, 12 Quay Street, Klaipėda")
    for role in _ROLES:
        Membership.objects.create(user=get_user_model().objects.create_user(role), account=account, role=role)
    domain = Domain.objects.create(account=account, name="clinic.example.com", verified_at=now)
    DnsFinding.objects.create(domain=domain, record="dmarc", ok=True, code="dmarc.ok", found_at=now)
    create_sender(account, domain=domain, name="Clinic", email="office@clinic.example.com")
    relay = Transport(account=account, name="Relay", kind="smtp")
    config = {"host": "127.0.0.1", "port": port, "tls": "implicit", "connections": connections}
    relay.config_sealed = transports.seal_config(relay, config=config)
    account.transports.update(is_default=False)
    relay.is_default = True
    relay.save()
    template = EmailTemplate.objects.create(account=account, name="Letter")
    create_version(template, draft=_draft())
    owner, officer = str(account.public_id), _person("compliance")
    signed = Agreement(
        counterparty="Bench", signatory="Bench", signed_on=today, document_sha256="ab" * 32, effective_from=today
    )
    recording.record_customer(account.pk, signed, owner=owner, by=officer, now=now)
    recording.record_subcontractor("127.0.0.1", signed, onward=Baa.Onward.TLS_ONLY, by=officer, now=now)
    version = terms.current_terms(now=now).version
    terms.accept_terms(account.pk, owner=owner, version=version, by=officer, now=now)
    replies.attest(account.pk, owner=owner, address="office@clinic.example.com", by=officer, now=now)
    set_policy(account.pk, owner=owner, approvals=1, valid_days=7, allows_importers=False, actor=SYSTEM, now=now)
    for step in ("pending", "active"):
        status.change_status(account.pk, to=step, reason="onboarding", by=officer, now=now)
    return {}


def begin(*, messages: int) -> dict[str, Any]:
    """A send to so many people: sealed, submitted, approved by another person, and begun."""
    account, now = Account.objects.get(slug="clinic"), timezone.now()
    version = account.templates.get().latest
    assert version is not None
    sender, relay = account.senders.get(), account.transports.get(is_default=True)
    campaign = Campaign.objects.create(
        account=account, name=f"Letter {uuid4().hex[:8]}", kind="hipaa", purpose="transactional", content=version,
        sender=sender, state="sending",
    )  # fmt: skip
    submission = Submission.objects.create(
        account=account, campaign=campaign, door=Door.CAMPAIGN, lane=Lane.HIPAA, purpose="transactional",
        state=SubmissionState.OPEN, content=version, sender=sender, transport=relay, options={"lists": []}, send_at=now,
        valid_until=now + timedelta(days=2), planned=messages,
    )  # fmt: skip
    for first in range(0, messages, _CHUNK):
        _write(submission, range(first, min(first + _CHUNK, messages)))
    parts = dict.fromkeys(PARTS - MADE_HERE, "") | {"legal_basis": "treatment"}
    parts |= describe_send(campaign, content=version, sender=sender, transport=relay, purpose="transactional")
    leaves = _leaves(submission)
    send = Send(
        account_id=account.pk, campaign_id=campaign.pk, campaign=str(campaign.public_id), parts=parts,
        recipients=list_recipients(leaf for _, leaf in leaves), legal_basis="treatment", ruleset="1", attested=_ATTESTED,
    )  # fmt: skip
    approval = submit(send, by=_person("author"), now=now)
    approve(approval, by=_person("approver"), seen=approval.digest, attested=_ATTESTED, now=now)
    start(approval, parts=parts, leaves=leaves, now=timezone.now())
    return {"submission": submission.pk}


def _write(submission: Submission, numbers: range) -> None:
    found = [addresses.parse(newsletter.email(number)) for number in numbers]
    recipients = [
        (
            uuid4(),
            tokens.address_key(address, account=submission.account.public_id),
            Personal(values=newsletter.values(number), mailbox=address.mailbox),
        )
        for number, address in zip(numbers, found, strict=True)
    ]
    sealed = seal_recipients(submission, recipients)
    Message.objects.bulk_create(
        Message(
            public_id=pk, submission=submission, recipient="", recipient_domain=address.domain, address_key=key,
            placeholders_sealed=value, next_attempt_at=submission.send_at,
        )
        for (pk, key, _), address, value in zip(recipients, found, sealed, strict=True)
    )  # fmt: skip


def _leaves(submission: Submission) -> list[Leaf]:
    rows = Message.objects.filter(submission=submission).order_by("pk")
    found = rows.values_list("pk", "address_key", "placeholders_sealed")
    return [(pk, make_leaf(key, bytes(sealed or b""))) for pk, key, sealed in found]


def _person(role: str) -> Person:
    user = get_user_model().objects.get(username=role)
    return Person(user.pk, frozenset({role}), timedelta(seconds=1))


def _draft() -> VersionDraft:
    """The newsletter of the other lane, with a subject that holds no value."""
    return VersionDraft(
        subject="A message from your clinic",
        source_kind="html",
        source=newsletter.html(),
        text_source=newsletter.text(),
        variables=tuple(Variable(name, sample="x") for name in newsletter.PLACEHOLDERS),
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("act", choices=["fill", "start"])
    parser.add_argument("--messages", type=int, default=1000)
    parser.add_argument("--port", type=int, default=25)
    parser.add_argument("--connections", type=int, default=10)
    given = parser.parse_args()
    told = (
        fill(port=given.port, connections=given.connections) if given.act == "fill" else begin(messages=given.messages)
    )
    print(json.dumps(told))


if __name__ == "__main__":
    main()
