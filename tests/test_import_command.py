"""`manage.py import_contacts`, and what kill -9 in the middle of it does."""

import csv
import io
import json
import os
import signal
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from campaigns.models import Account, Contact, ContactList, ImportJob, ImportSeen, ImportState, Subscription
from tests.factories import make_account, make_list
from tests.processes import start_command, wait_until


@pytest.fixture
def account(db: None) -> Account:
    return make_account(slug="harbour")


def run(*words: str) -> str:
    out = io.StringIO()
    call_command("import_contacts", *words, stdout=out, stderr=io.StringIO())
    return out.getvalue()


def write_file(folder: Path, text: str) -> str:
    path = folder / "people.csv"
    path.write_text(text, "utf-8")
    return str(path)


def test_it_imports_and_prints_what_became_of_every_row(account: Account, tmp_path: Path) -> None:
    file = write_file(tmp_path, "Email\nann@example.com\nANN@example.com\nbroken\n")
    line = json.loads(run("harbour", "news", file, "--create-list", "--json"))
    job = ImportJob.objects.get()
    assert line == {
        "job": str(job.public_id), "rows": 3, "created": 1, "updated": 0, "duplicates": 1, "rejected": 1,
        "kept_unsubscribed": 0,
    }  # fmt: skip
    assert ContactList.objects.get(account=account).slug == "news"


def test_without_json_it_prints_a_table(account: Account, tmp_path: Path) -> None:
    make_list(account, slug="news")
    assert "New contacts" in run("harbour", "news", write_file(tmp_path, "Email\nann@example.com\n"))


def test_columns_are_named_and_left_out_as_told(account: Account, tmp_path: Path) -> None:
    make_list(account, slug="news")
    file = write_file(tmp_path, "Login|Email|Secret\nann@example.com|bob@example.com|x\n")
    run("harbour", "news", file, "--map", "Login=email", "--map", "Email=second", "--skip", "Secret")
    contact = Contact.objects.get(account=account)
    assert (contact.email, contact.attributes) == ("ann@example.com", {"second": "bob@example.com"})


def test_consent_encoding_and_delimiter_are_taken_as_told(account: Account, tmp_path: Path) -> None:
    make_list(account, slug="news")
    path = tmp_path / "people.csv"
    path.write_bytes("Email\tName\nann@example.com\tЖанна\n".encode("cp1251"))
    words = ["--encoding", "windows-1251", "--delimiter", "tab", "--consent", "double", "--consent-source", "Shop"]
    run("harbour", "news", str(path), *words)
    row = Subscription.objects.get()
    assert (row.consent_kind, row.consent_source) == ("double", "Shop")
    assert row.contact.attributes == {"name": "Жанна"}


def test_the_rejected_rows_are_written_where_asked(account: Account, tmp_path: Path) -> None:
    make_list(account, slug="news")
    errors = tmp_path / "errors.csv"
    run("harbour", "news", write_file(tmp_path, "Email\nann@example.com\n=x\n"), "--errors", str(errors))
    rows = list(csv.reader(errors.read_text("utf-8").splitlines()))
    assert rows[1] == ["3", "This is not a valid email address.", "address.invalid", "'=x"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("nobody", "news", "FILE"), "account does not exist"),
        (("harbour", "other", "FILE"), "list does not exist"),
        (("harbour", "news", "/does/not/exist.csv"), "cannot be read"),
        (("harbour", "news"), "Name the file"),
        (("harbour", "news", "FILE", "--map", "Nonsense=email"), "no such column"),
        (("harbour", "news", "FILE", "--map", "Email"), "--map needs"),
        (("harbour", "news", "FILE", "--encoding", "klingon"), "encoding is not known"),
        (("harbour", "news", "FILE", "--delimiter", "#"), "delimiter is not known"),
        (("harbour", "news", "--resume", "nonsense"), "import does not exist"),
        (("harbour", "Bad Slug!", "FILE", "--create-list"), "short name"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(
    account: Account, tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    make_list(account, slug="news")
    file = write_file(tmp_path, "Email,Name\nann@example.com,Ann\n")
    with pytest.raises(CommandError, match=said):
        run(*(file if word == "FILE" else word for word in words))


@pytest.mark.django_db(transaction=True)
def test_after_kill_9_the_import_goes_on_and_ends_like_one_never_stopped(tmp_path: Path) -> None:
    account = make_account()
    killed, clean = make_list(account, slug="killed"), make_list(make_account(), slug="clean")
    rows = [f'"p{n % 17_000}@example.com","line one\nline {n}"' for n in range(20_000)]
    for line in range(50, 20_000, 1000):
        rows[line] = f"broken{line}@@example.com,x"
    file = write_file(tmp_path, "Email,Note\n" + "\n".join(rows) + "\n")
    log = tmp_path / "log"
    with start_command("import_contacts", account.slug, "killed", file, log=log) as process:
        assert wait_until(lambda: ImportJob.objects.filter(list=killed, position__gt=0).exists(), seconds=120)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    job = ImportJob.objects.get(list=killed)
    assert job.state == ImportState.RUNNING, log.read_text("utf-8")
    assert 0 < job.position < 20_000
    # What the clock would do: the dead worker's lease runs out.
    ImportJob.objects.filter(pk=job.pk).update(lease_until="2026-01-01T00:00:00Z")
    again = json.loads(run(account.slug, "killed", "--resume", str(job.public_id), "--json"))
    whole = json.loads(run(clean.account.slug, "clean", file, "--json"))
    assert {**again, "job": ""} == {**whole, "job": ""}
    assert again["rows"] == 20_000
    lines = [list(entry.row_errors.values_list("line", flat=True)) for entry in ImportJob.objects.order_by("pk")]
    assert lines[0] == lines[1]
    assert len(lines[0]) == again["rejected"] == 20
    people = [entry.subscriptions.filter(state="subscribed").count() for entry in (killed, clean)]
    assert people[0] == people[1] == again["created"]
    assert not ImportSeen.objects.exists()
