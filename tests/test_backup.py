"""Backups in two parts: written while mail leaves, brought back into an empty database, and never believed when changed."""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path

import pytest

from tests.installation import Installation, installed

pytestmark = [pytest.mark.timeout(600), pytest.mark.django_db]  # whole processes start, migrate and work

FILL = """
from tests.hipaa import make_clinic, make_send
make_send(make_clinic()).approve()
from pathlib import Path
from uuid import uuid4
from django.conf import settings
from django.utils import timezone
from campaigns.audiences.files import store_file
from campaigns.storage import archive
from campaigns.storage.keeping import Original, make_copy, write_copies
from campaigns.storage.terms import Terms
from tests.factories import make_account
original = Original(uuid4(), address_key="key", sender="shop@example.org", data=b"Subject: News\\r\\n\\r\\nCANARY-archived")
copy = make_copy(make_account(), original, terms=Terms(active_days=0, archive_days=9), now=timezone.now())
write_copies([copy])
print(archive.ship_some(), store_file(Path(settings.BASE_DIR) / "manage.py", name="people.csv"))
"""
OPEN = """
from campaigns.models import Message
from campaigns.outbox.payload import open_recipients
rows = list(Message.objects.select_related("submission__account").order_by("pk"))
print([one.values["appointment"] for one in open_recipients(rows, submission_of=lambda row: row.submission)])
from campaigns.models import Account
print(Account.objects.create(name="Another", slug="another").pk > 0)
from campaigns.models import KeptMail
from campaigns.storage.finding import open_copy
print(b"CANARY-archived" in open_copy(KeptMail.objects.select_related("account").get()))
"""


def refusal(installation: Installation, *words: str) -> str:
    with pytest.raises(AssertionError) as caught:
        installation.manage(*words)
    return str(caught.value)


def test_a_backup_comes_back_opens_and_is_refused_when_it_was_changed(tmp_path: Path) -> None:
    """164.308(a)(7)(ii)(A), (B), (D): data and keys apart, the drill in the trail, a restore elsewhere with the key ring."""
    folder = tmp_path / "backup"
    with installed(tmp_path / "one") as one:
        one.python(FILL)
        one.manage("hipaa_backup", str(folder))
        files = [path for path in folder.rglob("*") if path.is_file()]
        assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
        texts = [gzip.decompress(path.read_bytes()) for path in files if path.suffix == ".gz"]
        texts += [path.read_bytes() for path in files if path.suffix == ".tar"]
        assert not [text for text in texts if b"CANARY-archived" in text]
        assert not [text for text in texts if b"CANARY-ward" in text or b"ann@example.org" in text]
        assert [path.name for path in (folder / "keys").glob("*.gz")] == ["compliance_datakey.jsonl.gz"]
        assert not list((folder / "data").glob("*datakey*"))
        assert "is there already" in refusal(one, "hipaa_backup", str(folder))
        assert "is not empty" in refusal(one, "hipaa_restore", str(folder))

        drill = json.loads(one.manage("hipaa_restore", str(folder), "--verify", "--json"))
        assert (drill["faults"], drill["shredded"], drill["files"]) == ([], 0, 2)
        assert drill["opened"] >= 4
        kept = "SELECT count(*) FROM compliance_auditevent WHERE action IN ('backup.made', 'backup.verified')"
        assert one.query(kept) == 2

        ring = str(one.folder / "keyring.json")
        with installed(tmp_path / "two") as two:
            two.environment["KEY_RING_FILE"] = ring
            broken = shutil.copytree(folder, tmp_path / "row")
            change_a_row(broken)
            assert "not what was written" in refusal(two, "hipaa_restore", str(broken))
            # It left nothing behind: what comes is put into an empty database only.
            two.manage("hipaa_restore", str(folder))
            assert two.python(OPEN).split("\n")[:3] == ["['CANARY-ward', 'CANARY-ward']", "True", "True"]
            assert (two.folder / "media/imports/people.csv").read_bytes().startswith(b"#!/usr/bin/env python")
            assert "0 problems" in two.manage("verify_audit")

        broken = shutil.copytree(folder, tmp_path / "manifest")
        change_the_manifest(broken)
        assert "not what this installation" in refusal(one, "hipaa_restore", str(broken), "--verify")


def change_a_row(folder: Path) -> None:
    path = folder / "data" / "compliance_disclosure.jsonl.gz"
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()) + b"[]\n"))


def change_the_manifest(folder: Path) -> None:
    path = folder / "data" / "manifest.json"
    path.write_text(path.read_text("utf-8").replace("campaigns_account.jsonl", "campaigns_event.jsonl"), "utf-8")
