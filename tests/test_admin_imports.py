"""Imports through the admin's door: upload, columns, progress and what was rejected."""

from __future__ import annotations

import gzip
import io
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from campaigns.admin.import_progress import measure_import
from campaigns.audiences import importing
from campaigns.audiences.files import locate_file
from campaigns.models import Account, ContactList, ImportJob, ImportState, Role
from tests.factories import make_account, make_list, make_user

pytestmark = pytest.mark.django_db

IMPORTS = "/admin/campaigns/importjob/"
CSV = (
    b"Email,First Name,Plan\nada@example.com,Ada,pro\nnobody,X,free\n=cmd@example.com,Eve,free\nada@example.com,A,pro\n"
)
CHOSEN = {
    "choice_0": "email", "choice_1": "keep", "name_1": "first_name", "choice_2": "skip", "name_2": "plan",
    "consent_kind": "express", "consent_source": "Spring fair",
}  # fmt: skip


@pytest.fixture
def account() -> Account:
    return make_account()


@pytest.fixture
def news(account: Account) -> ContactList:
    return make_list(account, name="Weekly news")


@pytest.fixture
def door(client: Client, account: Account) -> Client:
    client.force_login(make_user(account, role=Role.AUTHOR))
    return client


def upload(door: Client, news: ContactList, data: bytes = CSV, name: str = "people.csv") -> ImportJob:
    door.post(f"{IMPORTS}add/", {"list": news.pk, "file": SimpleUploadedFile(name, data)})
    return ImportJob.objects.latest("pk")


def url_of(job: ImportJob, page: str = "change/") -> str:
    return f"{IMPORTS}{job.public_id}/{page}"


@pytest.mark.parametrize(
    ("name", "data"), [("people.csv", CSV), ("people.txt", CSV), ("people.csv.gz", gzip.compress(CSV, mtime=0))]
)
def test_an_upload_waits_for_its_columns(door: Client, news: ContactList, name: str, data: bytes) -> None:
    job = upload(door, news, data, name)
    assert (job.state, job.filename) == (ImportState.WAITING, name)
    assert job.mapping == {"Email": "email", "First Name": "first_name", "Plan": "plan"}
    page = door.get(url_of(job)).content.decode()
    assert "ada@example.com" in page
    assert 'value="first_name"' in page


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"\x01\x02\x03\x04" * 500, "not a text file"),
        (b"PK\x03\x04" + b"x" * 99, "CSV"),
        (b"\x89PNG\r\n\x1a\n" + b"x" * 99, "picture"),
    ],
)
def test_a_file_that_is_none_is_refused_and_not_kept(
    door: Client, news: ContactList, settings: Settings, tmp_path: Path, data: bytes, words: str
) -> None:
    settings.MEDIA_ROOT = tmp_path
    page = door.post(f"{IMPORTS}add/", {"list": news.pk, "file": SimpleUploadedFile("people.csv", data)})
    assert 'class="errorlist"' in page.content.decode()
    assert words in page.content.decode()
    assert not ImportJob.objects.exists()
    assert not list(tmp_path.rglob("*.csv"))


def test_a_file_cannot_go_into_a_list_of_another_account(door: Client) -> None:
    foreign = make_list(make_account())
    door.post(f"{IMPORTS}add/", {"list": foreign.pk, "file": SimpleUploadedFile("people.csv", CSV)})
    assert not ImportJob.objects.exists()


def test_without_a_list_the_way_to_make_one_is_shown(door: Client) -> None:
    assert "First make a list" in door.get(f"{IMPORTS}add/").content.decode()


@pytest.mark.django_db(transaction=True)
def test_the_chosen_columns_and_the_consent_are_imported(door: Client, news: ContactList) -> None:
    job = upload(door, news)
    door.post(url_of(job), CHOSEN)
    job.refresh_from_db()
    assert (job.state, job.created, job.duplicates, job.rejected) == (ImportState.DONE, 2, 1, 1)
    contact = news.account.contacts.get(domain="example.com", email__startswith="ada")
    assert contact.attributes == {"first_name": "Ada"}
    subscription = contact.subscriptions.get()
    assert (subscription.consent_kind, subscription.consent_source) == ("express", "Spring fair")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"choice_0": "skip"}, "Exactly one column must hold the email address"),
        ({"name_1": "First Name"}, "cannot be used as a name"),
        ({"consent_kind": ""}, "Choose what fits best"),
    ],
)
def test_columns_that_cannot_be_used_are_refused_and_kept_as_chosen(
    door: Client, news: ContactList, change: dict[str, str], words: str
) -> None:
    job = upload(door, news)
    page = door.post(url_of(job), CHOSEN | {"consent_source": "Typed"} | change).content.decode()
    assert words in page
    assert 'value="Typed"' in page
    job.refresh_from_db()
    assert job.state == ImportState.WAITING


def test_progress_is_a_fragment_that_says_whether_to_ask_again(door: Client, news: ContactList) -> None:
    job = upload(door, news)
    ImportJob.objects.filter(pk=job.pk).update(state=ImportState.RUNNING, position=50, bytes_read=job.size // 2)
    answer = door.get(url_of(job, "progress/"))
    assert answer.headers["X-Live"] == "true"
    assert "<progress" in answer.content.decode()
    assert "<html" not in answer.content.decode()
    importing.run_import(job.pk)
    ImportJob.objects.filter(pk=job.pk).update(state=ImportState.DONE)
    assert door.get(url_of(job, "progress/")).headers["X-Live"] == "false"


def test_rejected_rows_are_shown_and_download_with_their_lines(door: Client, news: ContactList) -> None:
    job = upload(door, news)
    importing.set_mapping(job, job.mapping)
    importing.run_import(job.pk)
    assert "not a valid email address" in door.get(url_of(job)).content.decode()
    answer = door.get(url_of(job, "errors.csv"))
    text = b"".join(answer.streaming_content).decode("utf-8-sig")  # type: ignore[attr-defined]
    assert text.splitlines()[1].startswith("3,")
    assert "nobody" in text


def test_a_file_nobody_wants_any_more_is_thrown_away(door: Client, news: ContactList) -> None:
    job = upload(door, news)
    path = locate_file(job.path)
    assert path.exists()
    door.post(url_of(job, "delete/"), {"post": "yes"})
    assert not ImportJob.objects.exists()
    assert not path.exists()


def test_an_import_that_ran_stays_as_the_record(door: Client, news: ContactList) -> None:
    job = importing.start_import(news.account, list=news, file=io.BytesIO(CSV), filename="people.csv")
    importing.set_mapping(job, job.mapping)
    importing.run_import(job.pk)
    assert door.post(url_of(job, "delete/"), {"post": "yes"}).status_code == 403
    assert ImportJob.objects.exists()


def test_the_pace_and_the_rest_are_reckoned_from_what_was_read() -> None:
    now = timezone.now()
    job = ImportJob(
        state=ImportState.RUNNING, size=1000, bytes_read=250, position=5000, started_at=now - timedelta(seconds=60)
    )
    progress = measure_import(job, now=now)
    assert (progress.percent, progress.pace) == (25, "83 rows a second, about 3 min left")
    assert progress.spoken == "20 percent read"


def test_the_parts_of_the_result_bar_fill_it() -> None:
    job = ImportJob(state=ImportState.DONE, size=10, position=8, created=1, updated=2, duplicates=4, rejected=1)
    segments = measure_import(job, now=timezone.now()).segments
    assert round(sum(part.width for part in segments)) == 1000
    assert [part.count for part in segments] == [1, 2, 4, 1]


def test_a_failed_import_says_so_without_a_code(door: Client, news: ContactList) -> None:
    job = upload(door, news)
    ImportJob.objects.filter(pk=job.pk).update(state=ImportState.FAILED, error_code="import.file-unreadable")
    page = door.get(url_of(job)).content.decode()
    assert "upload" in page.lower()
    assert "import.file" not in page
