"""Inside an installation: python -m bench.lab.scene migrate | fill … | program | start | send | size; the last line printed is JSON."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import django

django.setup()

from django.core.management import call_command  # noqa: E402
from django.db import connection, transaction  # noqa: E402
from django.utils import timezone  # noqa: E402

from bench.lab import newsletter  # noqa: E402
from campaigns import addresses, tokens  # noqa: E402
from campaigns.accounts.creation import create_account  # noqa: E402
from campaigns.accounts.keys import create_key  # noqa: E402
from campaigns.content.draft import Variable, VersionDraft  # noqa: E402
from campaigns.content.versions import create_version  # noqa: E402
from campaigns.domains.keys import create_dkim_key  # noqa: E402
from campaigns.domains.senders import create_sender  # noqa: E402
from campaigns.models import (  # noqa: E402
    Account,
    ContactList,
    DkimKey,
    Domain,
    EmailTemplate,
    Message,
    Submission,
    Transport,
)
from campaigns.outbox import claim, render, transports  # noqa: E402
from campaigns.planning import compose, fanout, sending  # noqa: E402

_CHUNK = 20_000
_COLUMNS = "account_id, public_id, created_at, updated_at, email, address_key, domain, attributes"
_SUBSCRIBE = """
INSERT INTO campaigns_subscription
    (contact_id, list_id, state, changed_at, consent_kind, consent_source, consent_text)
SELECT id, %s, 'subscribed', %s, 'express', 'bench', '' FROM campaigns_contact WHERE account_id = %s ORDER BY id
"""


def migrate() -> dict[str, Any]:
    call_command("migrate", verbosity=0)
    return {}


def fill(*, contacts: int, port: int, connections: int, dkim: str, bare: bool, tls: str = "none") -> dict[str, Any]:
    """An account with a verified domain, a relay, the newsletter, and so many readers on one list."""
    account = create_account(
        name="Bench", slug="bench", postal_address="Bench, 12 Quay Street, Klaipėda", time_zone="UTC"
    )
    domain = Domain.objects.create(account=account, name="news.example.com", verified_at=timezone.now())
    if dkim:
        create_dkim_key(domain, algorithm=dkim)
        DkimKey.objects.update(state=DkimKey.State.SIGNING, state_since=timezone.now())
    create_sender(account, domain=domain, name="Bench News", email="news@news.example.com")
    _aim(account, port=port, connections=connections, tls=tls)
    template = EmailTemplate.objects.create(account=account, name="Newsletter")
    create_version(template, draft=_draft())
    readers = ContactList.objects.create(account=account, name="Readers", slug="readers")
    _write_contacts(account, contacts, bare=bare)
    with connection.cursor() as cursor:
        cursor.execute(_SUBSCRIBE, [readers.pk, str(timezone.now()), account.pk])
        cursor.execute("ANALYZE")
    return {}


def program() -> dict[str, Any]:
    """An account whose program may send by the API from a verified domain, and its key."""
    account = create_account(name="Bench", slug="bench", postal_address="Bench, 12 Quay Street, Klaipėda")
    domain = Domain.objects.create(account=account, name="news.example.com", verified_at=timezone.now())
    _, key = create_key(account, name="Bench", scopes=["email:manage"])
    return {"key": key, "sender": f"Bench <bench@{domain.name}>"}


def start() -> dict[str, Any]:
    """Compose a campaign to all readers, press send, and plan it; how long the planning took."""
    submission = _send()
    began = time.perf_counter()
    fanout.plan_submission(submission.pk)
    seconds = time.perf_counter() - began
    return {"submission": submission.pk, "seconds": seconds}


def send() -> dict[str, Any]:
    """Compose a campaign to all readers and press send; workers do the rest."""
    return {"submission": _send().pk}


def _send() -> Submission:
    account = Account.objects.get()
    version = account.templates.get().latest
    assert version is not None
    campaign = compose.create_campaign(
        account,
        name=f"Spring {uuid4().hex[:8]}",
        content=version,
        sender=account.senders.get(),
        lists=list(account.lists.all()),
    )
    return sending.send_now(campaign)


def size() -> dict[str, Any]:
    """How many bytes a mail has; the campaign made for this is cancelled."""
    told = start()
    submission = Submission.objects.select_related("campaign").get(pk=told["submission"])
    assert submission.campaign is not None
    found = len(_sample(submission))
    sending.cancel(submission.campaign)
    return {"size": found}


def _aim(account: Account, *, port: int, connections: int, tls: str) -> None:
    account.transports.update(is_default=False)
    relay = Transport(account=account, name=f"Relay {uuid4().hex[:8]}", kind="smtp", is_default=True)
    config = {"host": "127.0.0.1", "port": port, "tls": tls, "connections": connections}
    relay.config_sealed = transports.seal_config(relay, config=config)
    relay.save()


def _draft() -> VersionDraft:
    return VersionDraft(
        subject=newsletter.SUBJECT,
        source_kind="html",
        source=newsletter.html(),
        text_source=newsletter.text(),
        variables=tuple(Variable(name, sample="x") for name in newsletter.PLACEHOLDERS),
    )


def _write_contacts(account: Account, count: int, *, bare: bool) -> None:
    for first in range(0, count, _CHUNK):
        rows = list(_contact_rows(account, range(first, min(first + _CHUNK, count)), bare=bare))
        with transaction.atomic(), connection.cursor() as cursor:
            if connection.vendor == "postgresql":
                with cursor.copy(f"COPY campaigns_contact ({_COLUMNS}) FROM STDIN") as copy:
                    for row in rows:
                        copy.write_row(row)
            else:
                marks = ", ".join(["%s"] * len(rows[0]))
                cursor.executemany(f"INSERT INTO campaigns_contact ({_COLUMNS}) VALUES ({marks})", rows)


def _contact_rows(account: Account, numbers: range, *, bare: bool) -> Iterator[tuple[int | str, ...]]:
    now = str(timezone.now())
    for number in numbers:
        email = newsletter.email(number)
        local, _, domain = email.partition("@")
        key = tokens.address_key(addresses.Address(email, local, domain), account=account.public_id)
        attributes = "{}" if bare else json.dumps(newsletter.values(number))
        yield account.pk, uuid4().hex, now, now, email, key, domain, attributes


def _sample(submission: Submission) -> bytes:
    """One mail of the submission, as it will go over the wire."""
    message = Message.objects.filter(submission=submission).select_related("contact").order_by("pk")[0]
    assert message.contact is not None
    beside = {"attributes", "personal", "trouble"}
    fields = {name: getattr(message, name) for name in claim.Claimed.__slots__ if name not in beside}
    claimed = claim.Claimed(**fields, attributes=message.contact.attributes)
    loaded = Submission.objects.select_related("account", "content__template", "sender__domain").get(pk=submission.pk)
    return render.render_message(render.make_letterhead(loaded), message=claimed, date=timezone.now())


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("act", choices=["migrate", "fill", "program", "start", "send", "size"])
    parser.add_argument("--contacts", type=int, default=1000)
    parser.add_argument("--port", type=int, default=25)
    parser.add_argument("--connections", type=int, default=10)
    parser.add_argument("--dkim", choices=["", "rsa", "ed25519"], default="")
    parser.add_argument("--tls", choices=["none", "implicit"], default="none")
    parser.add_argument("--bare", action="store_true", help="Contacts without attributes.")
    given = parser.parse_args()
    acts = {
        "migrate": migrate,
        "fill": lambda: fill(
            contacts=given.contacts,
            port=given.port,
            connections=given.connections,
            dkim=given.dkim,
            bare=given.bare,
            tls=given.tls,
        ),
        "program": program,
        "start": start,
        "send": send,
        "size": size,
    }
    print(json.dumps(acts[given.act]()))


if __name__ == "__main__":
    main()
