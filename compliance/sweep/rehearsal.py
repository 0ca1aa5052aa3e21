"""The whole sweep in order, in a database that is nobody's: doors, places, and the positive control."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.core import mail
from django.test.utils import override_settings

from compliance.sweep import doors, endpoint, failures, places, programs, returns, screens, sends, stage
from compliance.sweep.canary import Canary
from compliance.sweep.places import Ears, Found
from compliance.sweep.receiver import CERTIFICATE, Receiver, receiving

# Importing a module of doors puts them on the list.
WAYS_IN = (programs, endpoint, screens, sends, failures, returns)
_SETTINGS: dict[str, Any] = {
    "EMAIL_BACKEND": "django.core.mail.backends.locmem.EmailBackend",
    "ADMINS": [("Operators", "operators@example.com")],
    # Requests come from within: by no host, and by no wire that could be encrypted.
    "ALLOWED_HOSTS": ["testserver", stage.HIPAA_HOST],
    "HIPAA_HOSTS": [stage.HIPAA_HOST],
    "HIPAA_NETWORKS": [],
    "SECURE_SSL_REDIRECT": False,
}


@dataclass(slots=True)
class Report:
    """What came of it; `blind` are places that did not notice a leak made on purpose, `undelivered` doors that should."""

    doors: list[str] = field(default_factory=list)
    places: list[str] = field(default_factory=list)
    found: list[Found] = field(default_factory=list)
    temporary: list[str] = field(default_factory=list)
    blind: list[str] = field(default_factory=list)
    undelivered: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        return not (self.found or self.temporary or self.blind or self.undelivered)


def rehearse() -> Report:
    """Run it; the database must be an empty one of its own."""
    report, canary, ears = Report(), Canary(), Ears()
    mail.outbox = []
    with (
        tempfile.TemporaryDirectory() as folder,
        override_settings(**_SETTINGS),
        receiving(Path(folder), ears.wire) as receiver,
    ):
        # The product trusts the receiver as it would a relay: by its certificate.
        os.environ["SSL_CERT_FILE"] = str(Path(folder) / CERTIFICATE)
        with ears.listening():
            _go(report, canary, ears, receiver, folder=folder)
    return report


def _go(report: Report, canary: Canary, ears: Ears, receiver: Receiver, *, folder: str) -> None:
    set_up = stage.build(canary, ears, receiver, folder=folder)
    ears.temporary.clear()
    for door in sorted(doors.DOORS, key=lambda each: each.last):
        before = len(receiver.mails)
        door.enter(set_up)
        report.doors.append(door.name)
        arrived = any(canary.find(data) for data in receiver.mails[before:])
        if arrived != door.delivers:
            report.undelivered.append(door.name)
    report.temporary = [name for name, _ in ears.temporary]
    known = places.list_places(ears)
    report.places = [place.name for place in known]
    report.found = places.search(known, canary)
    report.blind = find_blind(known)


def find_blind(known: list[places.Place]) -> list[str]:
    """The places that do not notice a word leaked there on purpose, each tried with a word of its own."""
    blind = []
    for place in known:
        if place.leak is None:
            continue
        word = Canary()
        place.leak(word.word)
        if not any(found.place == place.name for found in places.search([place], word)):
            blind.append(place.name)
    return blind
