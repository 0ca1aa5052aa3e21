"""Importing: who comes in, who stays out, and that every row is counted once (evil inputs 3 to 9)."""

import csv
import gzip
import io
import logging
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from campaigns.audiences import consent, importing, suppression
from campaigns.audiences.records import MAX_VALUE
from campaigns.errors import CampaignError, NotFound
from campaigns.models import Contact, ImportJob, ImportSeen, ImportState, Subscription
from tests.factories import make_account, make_contact, make_list

pytestmark = pytest.mark.django_db


class Scene:
    """An account with one list to import into."""

    def __init__(self) -> None:
        self.account = make_account()
        self.list = make_list(self.account)

    def start(self, data: str | bytes, **options: Any) -> ImportJob:
        raw = data.encode() if isinstance(data, str) else data
        given: dict[str, Any] = {"list": self.list, "filename": "people.csv", **options}
        return importing.start_import(self.account, file=io.BytesIO(raw), **given)

    def run(self, data: str | bytes, **options: Any) -> ImportJob:
        job = importing.run_import(self.start(data, **options).pk)
        assert job.position == job.created + job.updated + job.duplicates + job.rejected
        return job

    def person(self, email: str) -> Contact:
        return Contact.objects.get(account=self.account, email=email)

    def state(self, email: str) -> str:
        return Subscription.objects.get(contact=self.person(email), list=self.list).state


@pytest.fixture
def scene() -> Scene:
    return Scene()


def counts(job: ImportJob) -> tuple[int, int, int, int, int]:
    return job.position, job.created, job.updated, job.duplicates, job.rejected


def test_people_arrive_with_their_attributes_on_the_list(scene: Scene) -> None:
    job = scene.run("Email,First Name,Plan\nann@example.com,Ann,pro\nbob@example.com,Bob,free\n")
    assert counts(job) == (2, 2, 0, 0, 0)
    assert job.state == ImportState.DONE
    assert scene.person("ann@example.com").attributes == {"first_name": "Ann", "plan": "pro"}
    assert scene.person("ann@example.com").domain == "example.com"
    assert scene.state("bob@example.com") == "subscribed"


@pytest.mark.parametrize(("encoding", "delimiter"), [("utf-8-sig", ";"), ("cp1252", ";"), ("utf-16", "\t")])
def test_evil_1_and_2_the_letters_of_any_encoding_arrive_whole(scene: Scene, encoding: str, delimiter: str) -> None:
    text = f"Email{delimiter}Name\r\nrene@example.com{delimiter}René Müßig\r\n"
    scene.run(text.encode(encoding))
    assert scene.person("rene@example.com").attributes == {"name": "René Müßig"}


def test_a_compressed_file_is_read_as_it_comes(scene: Scene) -> None:
    assert scene.run(gzip.compress(b"Email\nann@example.com\n"), filename="people.csv.gz").created == 1


def test_a_compressed_file_cut_short_fails_with_a_sentence(scene: Scene) -> None:
    with pytest.raises(CampaignError, match=r"import\.broken-gzip"):
        scene.start(gzip.compress(b"Email\n" + b"ann@example.com\n" * 5000)[:60])


def test_evil_3_every_bad_row_is_listed_with_its_line_and_reason(scene: Scene) -> None:
    data = (
        b'Email,Name,Notes\r\n"ann@example.com",Ann,"two\r\nlines"\r\n,Nobody,\r\nbroken@@example.com,B,\r\n'
        b"cut@example.com\r\nmore@example.com,M,x,y\r\ndam\xffaged@example.com,\xc5\xbd,\r\n\xc5\xbd@example.com,\xc5\xbd,\r\n"
    )
    job = scene.run(data)
    assert counts(job) == (7, 3, 0, 0, 4)
    assert list(job.row_errors.values_list("line", "code", "value")) == [
        (4, "import.address-missing", ""),
        (5, "address.invalid", "broken@@example.com"),
        (7, "import.too-many-cells", "more@example.com"),
        (8, "import.broken-text", "dam\\xffaged@example.com"),
    ]


def test_evil_5_formulas_are_stored_as_they_are(scene: Scene) -> None:
    cells = ['=HYPERLINK("http://x")', "+370 600 00000", "-2+3", "@SUM(A1)", "\tx"]
    text = io.StringIO()
    csv.writer(text).writerows([["Email", *"abcde"], ["ann@example.com", *cells]])
    scene.run(text.getvalue())
    assert scene.person("ann@example.com").attributes == dict(zip("abcde", cells, strict=True))


def test_evil_5_the_list_of_errors_is_safe_in_a_spreadsheet(scene: Scene) -> None:
    job = scene.run('Email\nann@example.com\n=cmd|x@@example.com\n+1@@x\n"@SUM"\n-x\n')
    file = io.StringIO()
    assert importing.write_errors(job, file) == 4
    rows = list(csv.reader(io.StringIO(file.getvalue())))
    assert rows[0] == ["line", "reason", "code", "value"]
    assert [row[3] for row in rows[1:]] == ["'=cmd|x@@example.com", "'+1@@x", "'@SUM", "'-x"]
    assert [row[0] for row in rows[1:]] == ["3", "4", "5", "6"]


def test_evil_6_the_first_row_of_a_person_counts_and_later_ones_are_duplicates(scene: Scene) -> None:
    rows = ["Ann@bücher.example,first", "ann@xn--bcher-kva.example,second", " ANN@BÜCHER.EXAMPLE. ,third"]
    job = scene.run("Email,Name\n" + "\n".join(rows) + "\n")
    assert counts(job) == (3, 1, 0, 2, 0)
    assert Contact.objects.get(account=scene.account).attributes == {"name": "first"}


def test_repeats_far_apart_are_found_too(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("campaigns.audiences.records.CHUNK_ROWS", 10)
    people = [f"p{n}@example.com,{n}" for n in range(35)]
    job = scene.run("Email,N\n" + "\n".join(people + people[:20]) + "\n")
    assert counts(job) == (55, 35, 0, 20, 0)
    assert not ImportSeen.objects.filter(job=job).exists()


def test_known_people_are_brought_up_to_date_and_empty_cells_wipe_nothing(scene: Scene) -> None:
    make_contact(scene.account, "ann@example.com", city="Rome", plan="free")
    job = scene.run("Email,City,Plan,Pet\nann@example.com,,pro,\n")
    assert counts(job) == (1, 0, 1, 0, 0)
    assert scene.person("ann@example.com").attributes == {"city": "Rome", "plan": "pro", "pet": ""}


def test_evil_7_who_left_or_is_suppressed_stays_so_whatever_the_file_says(scene: Scene) -> None:
    now = timezone.now()
    people = {
        name: make_contact(scene.account, f"{name}@example.com") for name in ("left", "silent", "bounced", "fine")
    }
    away = make_contact(scene.account, "unticked@example.com", lists=[scene.list], state="unsubscribed")
    consent.unsubscribe_lists(
        scene.account.pk, address_key=people["left"].address_key, list_ids=[scene.list.pk], now=now
    )
    consent.unsubscribe_marketing(scene.account.pk, address_key=people["silent"].address_key, now=now)
    suppression.suppress(scene.account, address_key=people["bounced"].address_key, scope="everything", reason="bounce")
    emails = [*(person.email for person in people.values()), away.email]
    job = scene.run("Email,Subscribed\n" + "".join(f"{email},yes\n" for email in emails), consent_kind="double")
    assert job.kept_unsubscribed == 4
    assert counts(job) == (5, 0, 5, 0, 0)
    states = {email.split("@")[0]: scene.state(email) for email in emails}
    assert states == {
        "left": "unsubscribed", "silent": "unsubscribed", "bounced": "subscribed", "fine": "subscribed",
        "unticked": "unsubscribed",
    }  # fmt: skip
    blocked = suppression.blocked(
        scene.account.pk,
        keys=[*(person.address_key for person in people.values()), away.address_key],
        contact_ids=[*(person.pk for person in people.values()), away.pk],
        purpose="marketing",
        list_ids=[scene.list.pk],
    )
    assert set(blocked) == {people[name].address_key for name in ("left", "silent", "bounced")} | {away.address_key}


def test_un_12_an_unsubscribe_outlives_the_contact(scene: Scene) -> None:
    contact = make_contact(scene.account, "left@example.com", lists=[scene.list])
    consent.unsubscribe_lists(
        scene.account.pk, address_key=contact.address_key, list_ids=[scene.list.pk], now=timezone.now()
    )
    contact.delete()
    job = scene.run("Email\nleft@example.com\n")
    assert (job.created, job.kept_unsubscribed) == (1, 1)
    assert scene.state("left@example.com") == "unsubscribed"


def test_evil_8_a_tagged_address_is_somebody_else(scene: Scene) -> None:
    base = make_contact(scene.account, "user@example.com", lists=[scene.list], state="unsubscribed")
    job = scene.run("Email\nuser+a@example.com\nUSER@EXAMPLE.COM\n")
    assert (job.created, job.updated, job.kept_unsubscribed) == (1, 1, 1)
    assert scene.state(base.email) == "unsubscribed"


def test_evil_9_line_ends_in_a_name_are_data_and_nul_is_dropped(scene: Scene) -> None:
    scene.run('Email,Name\nbob@example.com,"Bob\r\nBcc: v@example.com\u2028\0"\n')
    assert scene.person("bob@example.com").attributes == {"name": "Bob\r\nBcc: v@example.com\u2028"}


def test_evil_9_a_value_that_is_a_document_rejects_its_row_and_names_the_column(scene: Scene) -> None:
    text = f"Email,Name\nann@example.com,{'x' * MAX_VALUE}\nbob@example.com,{'x' * 200_000}\n"
    job = scene.run(text)
    assert counts(job) == (2, 1, 0, 0, 1)
    error = job.row_errors.get()
    assert (error.line, error.code) == (3, "import.value-too-long")
    assert "name" in error.reason


def test_a_left_out_column_may_hold_anything(scene: Scene) -> None:
    job = scene.start(f"Email,Blob\nann@example.com,{'x' * 200_000}\n")
    importing.set_mapping(job, {"Email": "email"})
    assert importing.run_import(job.pk).created == 1
    assert scene.person("ann@example.com").attributes == {}


def test_the_proof_of_consent_names_the_file_and_implied_consent_runs_out(scene: Scene) -> None:
    scene.run("Email\nann@example.com\n", consent_kind="implied", filename="../fair 2026.csv")
    row = Subscription.objects.get(list=scene.list)
    assert (row.consent_kind, row.consent_source) == ("implied", "fair 2026.csv")
    assert row.consent_at is not None
    assert row.consent_expires_at is not None
    assert row.consent_expires_at - row.consent_at > timedelta(days=700)


def test_a_better_proof_fills_one_that_was_not_recorded_and_replaces_no_other(scene: Scene) -> None:
    scene.run("Email\nann@example.com\n")
    scene.run("Email\nann@example.com\n", consent_kind="express", consent_source="Fair")
    scene.run("Email\nann@example.com\n", consent_kind="double", consent_source="Other")
    row = Subscription.objects.get(list=scene.list)
    assert (row.consent_kind, row.consent_source) == ("express", "Fair")


def test_who_waits_for_confirmation_goes_on_waiting(scene: Scene) -> None:
    make_contact(scene.account, "ann@example.com", lists=[scene.list], state="unconfirmed")
    scene.run("Email\nann@example.com\n", consent_kind="express")
    assert scene.state("ann@example.com") == "unconfirmed"


def test_accounts_do_not_touch_each_other(scene: Scene) -> None:
    stranger = make_contact(make_account(), "ann@example.com", plan="free")
    scene.run("Email,Plan\nann@example.com,pro\n")
    stranger.refresh_from_db()
    assert stranger.attributes == {"plan": "free"}
    assert Contact.objects.filter(account=scene.account).count() == 1


def test_a_list_of_another_account_does_not_exist(scene: Scene) -> None:
    with pytest.raises(NotFound):
        scene.start("Email\nann@example.com\n", list=make_list(make_account()))


@pytest.mark.parametrize(
    ("data", "code"),
    [("", "import.empty"), ("Email,Name\n", "import.no-rows"), ("\n\n", "import.empty"),
     ("ann@example.com,Ann\nbob@example.com,Bob\n", "import.no-header"),
     (",".join(f"c{n}" for n in range(300)) + "\n1\n", "import.too-many-columns")],
)  # fmt: skip
def test_a_file_without_contacts_is_refused_and_not_kept(scene: Scene, data: str, code: str) -> None:
    before = set(Path(settings.MEDIA_ROOT).glob("imports/*"))
    with pytest.raises(CampaignError) as caught:
        scene.start(data)
    assert caught.value.code == code
    assert set(Path(settings.MEDIA_ROOT).glob("imports/*")) == before
    assert not ImportJob.objects.filter(account=scene.account).exists()


def test_without_an_email_column_the_job_waits_and_says_so(scene: Scene) -> None:
    job = scene.start("Name,City\nAnn,Rome\n")
    with pytest.raises(CampaignError, match=r"import\.no-email-column"):
        importing.run_import(job.pk)
    job.refresh_from_db()
    assert job.state == ImportState.WAITING


def test_the_preview_shows_columns_and_first_rows(scene: Scene) -> None:
    job = scene.start("Email;Name\n" + "".join(f"p{n}@example.com;N{n}\n" for n in range(30)))
    preview = importing.preview_import(job, limit=2)
    assert preview.labels == ["Email", "Name"]
    assert preview.rows == [["p0@example.com", "N0"], ["p1@example.com", "N1"]]


def test_our_copy_of_the_file_is_ours_alone_and_goes_when_the_import_is_done(scene: Scene) -> None:
    job = scene.start("Email\nann@example.com\n")
    copy = Path(settings.MEDIA_ROOT) / job.path
    assert copy.stat().st_mode & 0o777 == 0o600
    importing.run_import(job.pk)
    assert not copy.exists()


def test_a_finished_job_is_not_run_again(scene: Scene) -> None:
    job = scene.run("Email\nann@example.com\n")
    assert counts(importing.run_import(job.pk)) == counts(job)


def test_a_job_in_another_workers_hands_is_left_alone(scene: Scene) -> None:
    job = scene.start("Email\nann@example.com\n")
    until = timezone.now() + timedelta(seconds=30)
    ImportJob.objects.filter(pk=job.pk).update(state=ImportState.RUNNING, lease_until=until)
    assert importing.run_import(job.pk).position == 0
    assert ImportJob.objects.get(pk=job.pk).lease_until == until


def test_a_stale_lease_is_taken_over(scene: Scene) -> None:
    job = scene.start("Email\nann@example.com\n")
    stale = timezone.now() - timedelta(seconds=1)
    ImportJob.objects.filter(pk=job.pk).update(state=ImportState.RUNNING, lease_until=stale)
    assert importing.run_import(job.pk).state == ImportState.DONE


def test_imports_nobody_works_on_are_found(scene: Scene) -> None:
    now = timezone.now()
    jobs = {
        name: scene.start("Email\nann@example.com\n")
        for name in ("waiting", "queued", "released", "stale", "busy", "done")
    }
    for name, state, lease in (
        ("queued", ImportState.QUEUED, None),
        ("released", ImportState.RUNNING, None),
        ("stale", ImportState.RUNNING, now - timedelta(seconds=1)),
        ("busy", ImportState.RUNNING, now + timedelta(seconds=1)),
        ("done", ImportState.DONE, None),
    ):
        ImportJob.objects.filter(pk=jobs[name].pk).update(state=state, lease_until=lease)
    assert set(importing.find_stopped(now=now)) == {jobs[name].pk for name in ("queued", "released", "stale")}


def test_a_worker_whose_lease_was_taken_over_writes_nothing_more(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("campaigns.audiences.records.CHUNK_ROWS", 2)
    job = scene.start("Email\n" + "".join(f"p{n}@example.com\n" for n in range(6)))

    def take_over(_: ImportJob) -> None:
        ImportJob.objects.filter(pk=job.pk).update(lease_until=timezone.now() + timedelta(seconds=90))

    importing.run_import(job.pk, on_progress=take_over)
    assert Contact.objects.filter(account=scene.account).count() == 2
    assert ImportJob.objects.get(pk=job.pk).position == 2


def test_an_import_within_a_budget_goes_on_where_it_stopped(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("campaigns.audiences.records.CHUNK_ROWS", 3)
    rows = [
        '"p0@example.com","two\nlines"',
        "p1@example.com,x",
        "bad,x",
        "P0@example.com,x",
        "worse@,x",
        "p2@example.com,y",
    ]
    job = scene.start("Email,Note\n" + "\n".join(rows) + "\n")
    first = importing.run_import(job.pk, budget_seconds=0)
    assert (first.state, first.position, first.lease_until) == (ImportState.RUNNING, 3, None)
    last = importing.run_import(job.pk)
    assert counts(last) == (6, 3, 0, 1, 2)
    assert list(last.row_errors.values_list("line", flat=True)) == [5, 7]


def test_what_the_database_refuses_is_told_without_the_row(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """House rule 13: the sentence of a database quotes what it refused."""
    job = scene.start("Email,Name\nsecret@example.com,Hidden\n")
    monkeypatch.setattr("campaigns.audiences.merging._REMEMBER", "SELECT %(job)s FROM secret_example_com")
    with caplog.at_level(logging.DEBUG, logger="campaigns"), pytest.raises(CampaignError) as caught:
        importing.run_import(job.pk)
    assert caught.value.code == "import.database"
    assert caught.value.__suppress_context__
    assert "secret" not in caplog.text + str(caught.value)


def test_a_row_the_database_will_always_refuse_ends_the_import(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sweep takes up every import nobody works on, and would take up this one every minute."""
    job = scene.start("Email,Name\nsecret@example.com,Hidden\n")
    importing.set_mapping(job, job.mapping)
    monkeypatch.setattr(
        "campaigns.audiences.merging._REMEMBER",
        "INSERT INTO campaigns_importseen (job_id, address_key) VALUES (NULL, NULL)",
    )
    with pytest.raises(CampaignError):
        importing.run_import(job.pk)
    assert importing.find_stopped(now=timezone.now()) == []
    job.refresh_from_db()
    assert (job.state, job.error_code) == (ImportState.FAILED, "import.database")


def test_statements_do_not_grow_with_the_rows(scene: Scene) -> None:
    def count_statements(people: int) -> int:
        job = scene.start("Email\n" + "".join(f"q{people}-{n}@example.com\n" for n in range(people)))
        with CaptureQueriesContext(connection) as queries:
            importing.run_import(job.pk)
        # SQLite reports each row of an executemany; the rows go into the temporary table by one.
        return sum("INSERT INTO import_chunk" not in query["sql"] for query in queries.captured_queries)

    count_statements(1)
    assert count_statements(10) == count_statements(1500)


def test_the_bundled_contacts_import_with_every_kind_of_trouble(scene: Scene) -> None:
    job = importing.start_import(
        scene.account, list=scene.list, file=importing.DEMO_CONTACTS, filename=importing.DEMO_CONTACTS.name
    )
    job = importing.run_import(job.pk)
    assert job.position == 1000
    assert job.position == job.created + job.updated + job.duplicates + job.rejected
    assert job.rejected > 0
    assert job.duplicates > 0
