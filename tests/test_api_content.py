"""POST /email/1/content: files for later mails, sealed, for some days."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.conf import LazySettings

from campaigns import tasks
from campaigns.accounts.tenancy import access_upload
from campaigns.content import uploads
from campaigns.errors import CampaignError
from campaigns.models import UploadedContent
from tests.api_resources import PatientProgram, faults

pytestmark = pytest.mark.django_db
PATH = "/email/1/content"


@pytest.fixture
def program(clock: time_machine.Traveller) -> PatientProgram:
    return PatientProgram(clock)


def upload(program: PatientProgram, data: bytes = b"hello", changes: dict[str, Any] | None = None) -> Any:
    headers = {"X-Content-Id": "notes.txt", "X-Media-Type": "text/plain", **(changes or {})}
    given = {name: value for name, value in headers.items() if value is not None} | program.headers
    return program.client.generic("POST", PATH, data, "application/octet-stream", headers=given)


def now() -> datetime:
    return datetime.now(UTC)


def test_a_file_is_kept_sealed_and_opens_by_its_id(program: PatientProgram) -> None:
    response = upload(program)
    assert response.status_code == 200, response.content
    kept = access_upload(program.account, response.json()["uploadedContentId"])
    assert b"hello" not in bytes(kept.data_sealed)
    opened = uploads.open_upload(kept, now=now())
    assert (opened.name, opened.media_type, opened.data) == ("notes.txt", "text/plain", b"hello")
    assert timedelta(minutes=1439) < kept.expires_at - now() <= timedelta(minutes=1440)


def test_it_is_kept_as_long_as_asked_for_then_wiped(program: PatientProgram, clock: time_machine.Traveller) -> None:
    response = upload(program, changes={"X-Validity-Period-Minutes": "10080"})
    upload(program)
    kept = access_upload(program.account, response.json()["uploadedContentId"])
    clock.shift(timedelta(days=6))
    tasks.forget_expired()
    assert UploadedContent.objects.get() == kept
    assert uploads.open_upload(kept, now=now()).data == b"hello"
    clock.shift(timedelta(days=2))
    with pytest.raises(CampaignError, match=r"content\.gone"):
        uploads.open_upload(kept, now=now())
    tasks.forget_expired()
    assert not UploadedContent.objects.exists()


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"X-Content-Id": None}, "X-Content-Id"),
        ({"X-Content-Id": "x" * 256}, "X-Content-Id"),
        ({"X-Media-Type": None}, "X-Media-Type"),
        ({"X-Validity-Period-Minutes": "1439"}, "X-Validity-Period-Minutes"),
        ({"X-Validity-Period-Minutes": "10081"}, "X-Validity-Period-Minutes"),
        ({"X-Validity-Period-Minutes": "soon"}, "X-Validity-Period-Minutes"),
        ({"X-Validity-Period-Minutes": "9" * 400}, "X-Validity-Period-Minutes"),
    ],
)
def test_a_fault_is_told_by_its_header(program: PatientProgram, changes: dict[str, str | None], fault: str) -> None:
    assert faults(upload(program, changes=changes)).keys() == {fault}
    assert not UploadedContent.objects.exists()


def test_an_empty_file_is_refused(program: PatientProgram) -> None:
    assert faults(upload(program, b"")).keys() == {"requestBody"}


def test_a_file_no_mail_could_carry_is_refused(program: PatientProgram, settings: LazySettings) -> None:
    settings.MAX_MESSAGE_BYTES = 1000
    assert upload(program, b"x" * 1000).status_code == 200
    assert upload(program, b"x" * 1001).status_code == 413
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 500
    response = upload(program, b"x" * 1000)
    assert response.status_code == 413
    assert response.json()["requestError"]["serviceException"]["messageId"] == "PAYLOAD_TOO_LARGE"


def test_an_account_cannot_fill_the_disk(program: PatientProgram, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "MOST_BYTES", 9)
    assert [upload(program).status_code for _ in range(2)] == [200, 413]
    assert upload(PatientProgram(program.clock)).status_code == 200


def test_what_was_moved_to_another_row_does_not_open(program: PatientProgram) -> None:
    first, second = (access_upload(program.account, upload(program).json()["uploadedContentId"]) for _ in range(2))
    first.data_sealed = second.data_sealed
    with pytest.raises(CampaignError, match=r"content\.gone"):
        uploads.open_upload(first, now=now())
