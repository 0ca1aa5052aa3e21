"""The stage: an account under an agreement with its people, an ordinary account, and clients who talk to our doors."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from campaigns.accounts import keys, second_factor
from campaigns.accounts.creation import create_account
from campaigns.domains.expected import DMARC
from campaigns.models import Account, DnsFinding, Domain, Lane, Membership, Role, Sender, Transport
from campaigns.outbox.transports import seal_config
from compliance.agreements import recording, replies, status, terms
from compliance.agreements.recording import Agreement
from compliance.approvals.policy import set_policy
from compliance.approvals.quorum import Person
from compliance.audit import Ref
from compliance.models import Baa
from compliance.sweep.canary import Canary
from compliance.sweep.places import Ears
from compliance.sweep.receiver import HOST, Receiver

HIPAA_HOST = "hipaa.testserver"
DOMAIN = "clinic.example.org"
_DIGEST = "0" * 64


@dataclass(slots=True)
class Stage:
    """What a door may use; whatever it gets as an answer it hands to `note`."""

    canary: Canary
    ears: Ears
    receiver: Receiver
    clinic: Account
    shop: Account
    folder: str
    people: dict[str, User] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)

    def note(self, where: str, answer: Any) -> Any:
        """Keep an answer: nothing of what was put in may come back in it."""
        head = "\n".join(f"{name}: {value}" for name, value in answer.headers.items())
        body = b"".join(answer.streaming_content) if answer.streaming else answer.content
        self.ears.answers.append((f"{where} ({answer.status_code})", head.encode() + b"\n" + body))
        return answer

    def client(self, role: str, *, is_known: bool = True) -> Client:
        """A browser in which somebody is signed in; pages that break are answered, not raised."""
        client = Client(raise_request_exception=False)
        client.force_login(self.people[role])
        if is_known:
            session = client.session
            second_factor.note_moment(session, now=timezone.now())
            session.save()
        return client

    def call(self, path: str, body: Any, *, key: str, **extra: Any) -> Any:
        """One request of a program."""
        data = body if isinstance(body, (bytes, str)) else json.dumps(body)
        headers = {"authorization": f"App {self.keys[key]}"}
        return Client(raise_request_exception=False).post(path, data, "application/json", headers=headers, **extra)


def build(canary: Canary, ears: Ears, receiver: Receiver, *, folder: str) -> Stage:
    """Everything through the rooms, as the screens do it; `folder` is thrown away with the rehearsal."""
    now = timezone.now()
    clinic = create_account(name="Harbour Clinic", slug="sweep-clinic", postal_address="1 Quay", time_zone="UTC")
    shop = create_account(name="Corner Shop", slug="sweep-shop", postal_address="2 Quay", time_zone="UTC")
    stage = Stage(canary, ears, receiver, clinic, shop, folder)
    for role in Role:
        stage.people[role] = User.objects.create_user(f"sweep-{role}", password=secrets.token_hex(12), is_staff=True)
        Membership.objects.create(user=stage.people[role], account=clinic, role=role)
    for account in (clinic, shop):
        domain = Domain.objects.create(account=account, name=f"{account.slug}.{DOMAIN}", verified_at=now)
        DnsFinding.objects.create(domain=domain, record=DMARC, ok=True, code="dmarc.ok", found_at=now)
        Sender.objects.create(account=account, domain=domain, name=account.name, email=f"hello@{domain.name}")
        _aim(account, receiver.port)
    for name, account, lane in (
        ("clinic", clinic, Lane.STANDARD),
        ("shop", shop, Lane.STANDARD),
        ("hipaa", clinic, Lane.HIPAA),
    ):
        stage.keys[name] = keys.create_key(account, name=name, scopes=["email:manage"], lane=lane)[1]
    _sign(stage)
    return stage


def _aim(account: Account, port: int) -> None:
    relay = Transport.objects.get(account=account, is_default=True)
    relay.kind = "smtp"
    relay.config_sealed = seal_config(
        relay, config={"host": HOST, "port": port, "tls": "starttls", "timeout": 5, "connections": 1}
    )
    relay.save()


def _sign(stage: Stage) -> None:
    now, owner = timezone.now(), str(stage.clinic.public_id)
    officer = Person(stage.people[Role.COMPLIANCE].pk, frozenset({"compliance"}), timedelta(seconds=1))
    today = now.date()
    signed = Agreement(counterparty="Harbour Clinic", signed_on=today, effective_from=today, document_sha256=_DIGEST)
    recording.record_customer(stage.clinic.pk, signed, owner=owner, by=officer, now=now)
    recording.record_subcontractor(HOST, signed, onward=Baa.Onward.TLS_ONLY, by=officer, now=now)
    version = terms.current_terms(now=now).version
    terms.accept_terms(stage.clinic.pk, owner=owner, version=version, by=officer, now=now)
    answers = Sender.objects.get(account=stage.clinic).email
    replies.attest(stage.clinic.pk, owner=owner, address=answers, by=officer, now=now)
    set_policy(
        stage.clinic.pk,
        owner=owner,
        approvals=1,
        valid_days=7,
        allows_importers=False,
        actor=Ref("person", str(officer.id)),
        now=now,
    )
    for step in ("pending", "active"):
        status.change_status(stage.clinic.pk, to=step, reason="onboarding", by=officer, now=now)
    stage.clinic.refresh_from_db()
