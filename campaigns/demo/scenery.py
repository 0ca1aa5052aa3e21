"""The made-up organisation the demonstration plays in."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from campaigns.accounts.creation import create_account
from campaigns.audiences import importing
from campaigns.content.starters import starter_drafts
from campaigns.content.versions import create_version
from campaigns.domains.keys import create_dkim_key
from campaigns.domains.senders import create_sender
from campaigns.models import (
    Account,
    ConsentKind,
    ContactList,
    Domain,
    EmailTemplate,
    ImportJob,
    Sender,
    TemplateVersion,
)

SLUG = "harbour-books"


@dataclass(frozen=True, slots=True)
class Scenery:
    """Everything a campaign of the demonstration needs."""

    account: Account
    sender: Sender
    readers: ContactList
    newsletter: TemplateVersion


def build_scenery() -> Scenery:
    """A fresh account with a domain, a sender, a list and the starter templates; earlier ones stay as they are."""
    taken = Account.objects.filter(slug__startswith=SLUG).count()
    account = create_account(
        name="Harbour Books" if not taken else f"Harbour Books {taken + 1}",
        slug=SLUG if not taken else f"{SLUG}-{taken + 1}",
        postal_address="Harbour Books, 12 Quay Street, Klaipėda 91234, Lithuania",
        time_zone="Europe/Vilnius",
    )
    domain = Domain.objects.create(account=account, name="news.harbourbooks.example")
    create_dkim_key(domain)
    sender = create_sender(account, domain=domain, name="Harbour Books", email=f"hello@{domain.name}")
    readers = ContactList.objects.create(account=account, name="Readers", slug="readers")
    versions = []
    for draft in starter_drafts():
        template = EmailTemplate.objects.create(account=account, name=draft.name)
        versions.append(create_version(template, draft=draft.draft))
    return Scenery(account, sender, readers, versions[0])


def import_readers(scenery: Scenery, *, file: Path, on_progress: importing.OnProgress | None = None) -> ImportJob:
    """Import the file as the import screen would, with the suggested columns."""
    job = importing.start_import(
        scenery.account,
        list=scenery.readers,
        file=file,
        filename=file.name,
        consent_kind=ConsentKind.EXPRESS,
        consent_source="Demonstration file",
    )
    importing.run_import(job.pk, on_progress=on_progress)
    job.refresh_from_db()
    return job
