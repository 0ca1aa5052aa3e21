"""Addresses not to write to as files, and taking single ones back: through the screens."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from campaigns import addresses, tokens
from campaigns.audiences import suppression, suppression_imports
from campaigns.models import Account, Role, Suppression, SuppressionImport, SuppressionLift
from compliance.models import AuditEvent
from tests.factories import make_account, make_list, make_user

SCREEN = "/admin/campaigns/suppression/"
FORM = {"scope": "everything", "reason": "bounce", "note": "From the old system"}


@pytest.fixture
def account(db: None) -> Account:
    return make_account()


@pytest.fixture
def door(client: Client, account: Account) -> Client:
    client.force_login(make_user(account, role=Role.OPERATOR))
    return client


def key_of(account: Account, address: str) -> str:
    return tokens.address_key(addresses.parse(address), account=account.public_id)


def upload(door: Client, content: str, **change: Any) -> SuppressionImport:
    """The job of a file handed in on the screen, before anybody runs it."""
    file = SimpleUploadedFile("stop.csv", content.encode())
    response = door.post(f"{SCREEN}import/", FORM | change | {"file": file})
    assert response.status_code == 302, response.content.decode()
    return SuppressionImport.objects.get()


def run(job: SuppressionImport) -> SuppressionImport:
    assert not suppression_imports.run_import(job.pk)
    job.refresh_from_db()
    return job


def test_a_file_is_taken_in_with_its_scope_and_reason(door: Client, account: Account) -> None:
    suppression.suppress(account, address_key=key_of(account, "old@example.com"), scope="everything", reason="manual")
    content = "Name,E-Mail\nAda,Ada@Example.com\nBob,not an address\nOld,old@example.com\nAda,ada@example.com\n"
    job = run(upload(door, content))
    assert (job.state, job.position, job.added, job.known, job.rejected) == ("done", 4, 1, 2, 1)
    row = Suppression.objects.get(address_key=key_of(account, "ada@example.com"))
    assert (row.scope, row.reason, row.note) == ("everything", "bounce", "From the old system")
    assert Suppression.objects.get(address_key=key_of(account, "old@example.com")).reason == "manual"
    page = door.get(f"{SCREEN}import/{job.public_id}/").content.decode()
    assert "4 rows read" in page
    assert "not an address" not in page
    errors = door.get(f"{SCREEN}import/{job.public_id}/errors.csv").content.decode().splitlines()
    assert errors[0] == "line,reason"
    assert errors[1].startswith("3,")
    assert AuditEvent.objects.get(action="suppression.imported").data == {"scope": "everything", "reason": "bounce"}


def test_addresses_alone_need_no_header_and_may_go_to_one_list(door: Client, account: Account) -> None:
    readers = make_list(account)
    job = run(upload(door, "ada@example.com\nbob@example.com\n", scope="list", list=readers.pk, reason="unsubscribed"))
    assert (job.added, job.rejected) == (2, 0)
    assert set(Suppression.objects.values_list("list", "scope")) == {(readers.pk, "list")}


def test_an_import_goes_on_where_it_was_stopped(door: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """The counters are committed with the rows: nothing is counted twice."""
    monkeypatch.setattr(suppression_imports, "_CHUNK", 2)
    job = upload(door, "email\n" + "".join(f"p{number}@example.com\n" for number in range(5)))
    assert suppression_imports.run_import(job.pk, budget_seconds=0)
    assert Suppression.objects.count() == 2
    job = run(job)
    assert (job.added, job.known, job.position) == (5, 0, 5)
    assert not suppression_imports.run_import(job.pk)


@pytest.mark.parametrize("content", ["", "Name,City\nAda,Vilnius\n", "\x00\x01\x02"])
def test_a_file_without_addresses_is_refused_beside_its_field(door: Client, content: str) -> None:
    response = door.post(f"{SCREEN}import/", FORM | {"file": SimpleUploadedFile("stop.csv", content.encode())})
    assert response.status_code == 200
    assert "errorlist" in response.content.decode()
    assert not SuppressionImport.objects.exists()


def test_the_export_has_who_can_be_named_and_no_formulas(door: Client, account: Account) -> None:
    """Evil input 5; that somebody took the file is in the audit trail."""
    run(upload(door, "ada@example.com\n=a@example.com\n"))
    suppression.suppress(account, address_key="k" * 43, scope="marketing", reason="manual")
    assert "1 entries keep a fingerprint only" in door.get(f"{SCREEN}export/").content.decode()
    response = door.post(f"{SCREEN}export/")
    rows = list(csv.reader(io.StringIO(b"".join(response.streaming_content).decode())))  # type: ignore[attr-defined]
    assert [row[0] for row in rows] == ["address", "ada@example.com", "'=a@example.com"]
    assert rows[1][1:4] == ["everything", "", "bounce"]
    assert AuditEvent.objects.filter(action="suppression.exported").count() == 1


def test_lifting_what_a_person_said_themselves_warns_and_wants_a_second_word(door: Client, account: Account) -> None:
    suppression.suppress(account, address_key="k" * 43, scope="marketing", reason="unsubscribed")
    row = Suppression.objects.get()
    page = f"{SCREEN}{row.pk}/change/"
    assert "want no more mail" in door.get(page).content.decode()
    assert door.post(page, {"note": "We miss them"}).status_code == 200
    assert Suppression.objects.exists()
    assert door.post(page, {"note": "They signed up again", "asked": "on"}).status_code == 302
    assert not Suppression.objects.exists()
    lifted = SuppressionLift.objects.get()
    assert (lifted.reason, lifted.note, lifted.added_at) == ("unsubscribed", "They signed up again", row.created_at)
    assert AuditEvent.objects.get(action="suppression.lifted").data == {"of_unsubscribed": 1}


def test_a_stranger_sees_no_import_and_a_viewer_takes_nothing(door: Client, account: Account) -> None:
    job = upload(door, "ada@example.com\n")
    stranger, viewer = Client(), Client()
    stranger.force_login(make_user(make_account(), role=Role.OPERATOR))
    viewer.force_login(make_user(account, role=Role.VIEWER))
    for path in ("", "progress/", "errors.csv"):
        assert stranger.get(f"{SCREEN}import/{job.public_id}/{path}").status_code == 404
    stranger.post(f"{SCREEN}export/", {"account": account.pk})
    assert [event.owner for event in AuditEvent.objects.filter(action="suppression.exported")] != [
        str(account.public_id)
    ]
    assert viewer.get(f"{SCREEN}import/").status_code == 403
    assert viewer.post(f"{SCREEN}export/").status_code == 403
