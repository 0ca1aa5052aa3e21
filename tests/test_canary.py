"""One made-up person goes through everything, and afterwards nothing but their own rows may know them.

Their address and name are canaries: found in a log, in the job queue, in a stored result, in a web address, in a
cookie, in the admin's own record or in the text of an error, they would be there for every reader as well.
"""

from __future__ import annotations

import http.client
import logging
import re
import traceback
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from campaigns import addresses
from campaigns.accounts import tenancy
from campaigns.audiences import contacts, importing
from campaigns.content import mime
from campaigns.content.compile import CompiledVersion
from campaigns.content.draft import Variable, VersionDraft
from campaigns.domains import senders
from campaigns.errors import CampaignError
from campaigns.models import Account, Contact, ContactList, ImportJob, Role, SandboxMail
from campaigns.planning import testsend
from campaigns.tracking import unsubscribe
from compliance import vault
from tests.api import Program
from tests.factories import (
    make_account,
    make_campaign,
    make_contact,
    make_domain,
    make_list,
    make_sender,
    make_user,
    make_version,
)
from tests.installation import Installation, installed, wait_until
from tests.processes import free_port

# Both are found whatever the case, and wherever they are part of a longer word.
CANARY = "zqcanary"
EMAIL = f"Ona.{CANARY}@{CANARY}.example.org"
NAME = f"Ona {CANARY.title()}"
CSV = f"email,first_name\n{EMAIL},{NAME}\n{CANARY}@@broken,{NAME}\nnext@example.org,Next\n".encode()


def assert_knows_nobody(text: str, *, where: str) -> None:
    found = text.lower().find(CANARY)
    assert found < 0, f"{where}: {text[max(0, found - 300) : found + 100]}"


# --- The whole installation: commands, web server, worker ---------------------------------------------------------

PREPARE = f"""
from pathlib import Path
from campaigns.audiences import importing
from campaigns.audiences.files import locate_file, remove_file
from campaigns.demo.scenery import build_scenery
from campaigns.planning import testsend
scenery = build_scenery()
def upload(lost):
    job = importing.start_import(
        scenery.account, list=scenery.readers, file=Path({{file!r}}), filename="{NAME}.csv"
    )
    importing.set_mapping(job, job.mapping)
    importing.queue_import(job)
    if lost:
        remove_file(job.path)  # the job behind it fails
upload(lost=False)
upload(lost=True)
testsend.send_test(scenery.account, content=scenery.newsletter, sender=scenery.sender, to="{EMAIL}",
                   values={{{{"first_name": "{NAME}"}}}})
"""
SEND = """
from campaigns.demo.scenery import Scenery
from campaigns.demo.story import send_newsletter
from campaigns.models import Account
account = Account.objects.get()
content = account.templates.order_by("pk").first().latest
send_newsletter(Scenery(account, account.senders.get(), account.lists.get(), content), name="Canary")
"""
QUEUE = """
from django_q.brokers import get_broker
from django_q.models import OrmQ
from django_q.signing import SignedPackage
broker = get_broker()
waiting = [row.payload for row in OrmQ.objects.all()]
if not waiting and hasattr(broker.connection, "lrange"):
    waiting = broker.connection.lrange(broker.list_key, 0, -1)
for package in waiting:
    print("QUEUED", SignedPackage.loads(package))
"""
TOKEN = f"""
import zlib
from campaigns.models import SandboxMail
mail = SandboxMail.objects.filter(recipient__icontains="{CANARY}").latest("pk")
print("TOKEN", zlib.decompress(bytes(mail.raw)).partition(b"/u/")[2].partition(b">")[0].decode())
"""
RESULTS = """
from django_q.models import OrmQ, Schedule, Task
for task in Task.objects.all():
    print("TASK", {name: getattr(task, name) for name in
          ("name", "func", "hook", "args", "kwargs", "result", "group", "success")})
for row in OrmQ.objects.all():
    print("LEFT", row.task())
for row in Schedule.objects.all():
    print("SCHEDULE", row.name, row.func, row.args, row.kwargs, row.hook)
"""


@pytest.mark.timeout(600)  # whole processes start and work
def test_no_log_no_queued_job_and_no_stored_result_of_an_installation_knows_anybody(tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    file.write_bytes(CSV)
    with installed(tmp_path) as installation:
        installation.environment["LOG_LEVEL"] = "DEBUG"
        installation.python(PREPARE.format(file=str(file)))
        queued = installation.python(QUEUE)
        assert queued.count("QUEUED") >= 3
        assert_knows_nobody(queued, where="the job queue")

        port = free_port()
        with installation.running("run", "--port", str(port)):
            wait_until(lambda: imports(installation, "done") >= 1, seconds=120)
            wait_until(lambda: imports(installation, "failed") >= 1, seconds=120)
            installation.python(SEND)
            wait_until(lambda: sent(installation) >= 3, seconds=120)
            token = re.findall(r"TOKEN (\S+)", installation.python(TOKEN))[0]
            unsubscribe_over_http(token, port=port)
        assert installation.query("SELECT count(*) FROM campaigns_suppression") == 1

        results = installation.python(RESULTS)
        assert "SCHEDULE" in results
        assert_knows_nobody(results, where="the tables of the job queue")
        said = installation.log.read_text("utf-8")
        assert "started by the system" in said
        assert_knows_nobody(said, where="the log")
        assert token not in said


def imports(installation: Installation, state: str) -> int:
    return installation.query(f"SELECT count(*) FROM campaigns_importjob WHERE state = '{state}'")  # noqa: S608 (ours)


def sent(installation: Installation) -> int:
    return installation.query("SELECT count(*) FROM campaigns_message WHERE state = 'sent'")


def unsubscribe_over_http(token: str, *, port: int) -> None:
    """Look at the page, press the button, try a wrong token: each is a line a web server could log."""
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    for method, path, body, status in (
        ("GET", f"/u/{token}", "", 200),
        ("POST", f"/u/{token}", "List-Unsubscribe=One-Click", 200),
        ("GET", f"/u/wrong?who={EMAIL}", "", 404),
    ):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        connection.request(method, path, body, form if body else {})
        assert connection.getresponse().status == status, (method, status)
        connection.close()


# --- The admin's screens ------------------------------------------------------------------------------------------


class Visitor:
    """Somebody who works through the screens, and remembers every address and cookie a browser would keep."""

    def __init__(self, client: Client, user: User) -> None:
        self.client, self.kept = client, [""]
        client.force_login(user)

    def get(self, path: str) -> Any:
        return self._keep(path, self.client.get(path))

    def post(self, path: str, **data: Any) -> Any:
        return self._keep(path, self.client.post(path, data))

    def _keep(self, path: str, answer: Any) -> Any:
        assert answer.status_code < 400, (path, answer.status_code)
        if answer.streaming:
            answer.getvalue()
            answer.close()
        self.kept += [path, answer.headers.get("Location", ""), str(answer.cookies), str(self.client.cookies)]
        return answer


@pytest.fixture
def account() -> Account:
    return make_account(name="Green Garden")


@pytest.fixture
def news(account: Account) -> ContactList:
    return make_list(account)


@pytest.fixture
def visitor(client: Client, account: Account) -> Visitor:
    return Visitor(client, make_user(account, role=Role.OPERATOR))


@pytest.fixture
def said() -> Iterator[list[logging.LogRecord]]:
    """What every logger of the product lets through from here on, before the formatter masks anything."""
    records: list[logging.LogRecord] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            records.append(record)

    levels = {"": "DEBUG", **{name: given["level"] for name, given in settings.LOGGING["loggers"].items()}}
    before = {name: logging.getLogger(name).level for name in levels}
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)
    handler = Listener()
    logging.getLogger().addHandler(handler)
    yield records
    logging.getLogger().removeHandler(handler)
    for name, level in before.items():
        logging.getLogger(name).setLevel(level)


def text_of(record: logging.LogRecord) -> str:
    error = "".join(traceback.format_exception(*record.exc_info)) if record.exc_info else ""
    return f"{record.name} {record.getMessage()} {error}"


@pytest.mark.django_db(transaction=True)  # jobs run after the commit
def test_no_log_web_address_cookie_or_record_of_the_admin_knows_anybody(
    visitor: Visitor, account: Account, news: ContactList, said: list[logging.LogRecord]
) -> None:
    admin = "/admin/campaigns/"
    content, sender = make_version(account), make_sender(account)
    # A file comes in, with one row that is rejected.
    visitor.post(f"{admin}importjob/add/", list=news.pk, file=SimpleUploadedFile(f"{NAME}.csv", CSV))
    job = ImportJob.objects.get()
    chosen = {"choice_0": "email", "choice_1": "keep", "name_1": "first_name", "consent_kind": "express"}
    visitor.post(f"{admin}importjob/{job.public_id}/change/", **chosen, consent_source=NAME)
    for page in ("change/", "progress/", "errors.csv"):
        visitor.get(f"{admin}importjob/{job.public_id}/{page}")
    # The person is looked up, changed, and another one added by hand.
    contact = Contact.objects.get(email__icontains=CANARY)
    visitor.post(f"{admin}contact/lookup/", address=EMAIL)
    visitor.get(f"{admin}contact/")
    visitor.post(f"{admin}contact/{contact.public_id}/change/", row_name_0="first_name", row_value_0=f"{NAME} II")
    visitor.post(f"{admin}contact/add/", email=f"second.{EMAIL}")
    # They get a test and a campaign, and their mail is looked at.
    visitor.post(f"{admin}emailtemplate/{content.template.public_id}/test/", to=EMAIL, sender=sender.pk)
    campaign = make_campaign(account, lists=[news], content=content, sender=sender)
    place = f"{admin}campaign/{campaign.public_id}/"
    seen = re.search(r'name="seen" value="([^"]*)"', visitor.get(f"{place}send/").content.decode())
    assert seen
    visitor.post(f"{place}send/", seen=seen[1])
    assert SandboxMail.objects.filter(recipient__icontains=CANARY).count() == 2
    visitor.post(f"{admin}sandboxmail/", recipient=EMAIL)
    # They are not to be written to any more, and forgotten.
    visitor.post(f"{admin}suppression/add/", address=EMAIL, scope="everything", reason="manual", note="by phone")
    visitor.post(f"{admin}suppression/lookup/", address=EMAIL)
    visitor.post(f"{admin}contact/{contact.public_id}/delete/", post="yes")
    assert not Contact.objects.filter(pk=contact.pk).exists()

    assert_knows_nobody("\n".join(visitor.kept), where="a web address or cookie")
    entries = [f"{entry.object_repr} {entry.change_message} {entry.object_id}" for entry in LogEntry.objects.all()]
    assert entries
    assert_knows_nobody("\n".join(entries), where="the admin's own record")
    assert said
    assert_knows_nobody("\n".join(map(text_of, said)), where="the log before masking")


@pytest.mark.django_db(transaction=True)
def test_no_log_of_the_api_knows_anybody_or_any_key(said: list[logging.LogRecord]) -> None:
    """Names, addresses, bodies, values, file names, ids of programs and keys; in what works and in what is refused."""
    program = Program()
    content = {
        "subject": f"For {NAME}",
        "html": f"<p>{CANARY} {{{{name}}}}</p>",
        "attachments": [{"content": "SGVsbG8=", "fileName": f"{CANARY}.txt"}],
        "headers": {"X-Who": NAME},
    }
    to = [{"destination": f"{NAME} <{EMAIL}>", "messageId": f"{CANARY}-1", "placeholders": {"name": NAME}}]
    message = program.message(content=content, destinations=[{"to": to}], webhooks={"callbackData": NAME})
    answer = program.post("/email/4/messages", {"messages": [message]}, **{"Idempotency-Key": CANARY})
    assert answer.status_code == 200
    program.work()
    for path, query in (
        ("/email/4/logs", {"destination": EMAIL, "messageId": f"{CANARY}-1"}),
        ("/email/1/logs", {"to": EMAIL}),
        ("/email/4/reports", {"messageId": f"{CANARY}-1"}),
        (f"/email/4/{CANARY}", {}),
        (f"/email/1/domains/{CANARY}.example.org", {}),
    ):
        program.get(path, **query)
    form = {"from": program.sender, "to": f'{{"to": "{EMAIL}", "x": broken', "subject": NAME, "text": CANARY}
    refused = [
        program.post("/email/4/messages", {"messages": [message | {"sender": f"{NAME} <{CANARY}"}]}),
        program.post("/email/4/messages", {CANARY: [CANARY]}),
        program.client.post("/email/4/messages", f'{{"{CANARY}'.encode(), "application/json", headers=program.headers),
        program.client.post("/email/3/send", form, headers=program.headers),
        program.client.get(f"/email/4/logs?to={EMAIL}", headers={"authorization": f"App {CANARY}"}),
        program.client.get("/email/4/logs", {"key": program.secret}),
        program.post("/email/4/mime", {"mimeMessage": f"{CANARY}="}),
    ]
    assert {answer.status_code for answer in refused} == {400, 401}
    for answer in refused:
        assert_knows_nobody(answer.content.decode(), where="a refusal")
    assert said
    text = "\n".join(map(text_of, said))
    assert program.secret not in text
    assert program.key.prefix not in text
    # Of an address that leads nowhere the path is told, as for every page; domains are not people.
    assert_knows_nobody(text.replace(f"/email/4/{CANARY}", "").replace(f"{CANARY}.example.org", ""), where="the log")


# --- Errors -------------------------------------------------------------------------------------------------------


def render_without(values: dict[str, object]) -> bytes:
    draft = VersionDraft(
        "Hello {{ first_name }}", "html", "<p>{{ city | plus: 1 }} {{ first_name }}</p>",
        variables=(Variable("first_name", sample="Ada"), Variable("city", sample="1")),
    )  # fmt: skip
    recipient = mime.MailRecipient(EMAIL, values, "1@example.com", "https://example.com/u/abc")
    frame = mime.MailFrame("News", "news@example.com")
    return CompiledVersion(draft, digest="d" * 64).mail(frame, recipient, date=datetime(2026, 11, 23, tzinfo=UTC))


def open_moved_seal() -> bytes:
    return vault.unseal(vault.seal(NAME.encode(), field="name"), field="other")


def send_to_broken(account: Account) -> object:
    return testsend.send_test(account, content=make_version(account), sender=make_sender(account), to=f"{CANARY}@@x")


def import_without_header(account: Account) -> object:
    news = make_list(account)
    return importing.start_import(account, list=news, file=_Bytes(f"{EMAIL}\n{EMAIL}\n"), filename=f"{NAME}.csv")


class _Bytes:
    def __init__(self, text: str) -> None:
        self._data = text.encode()

    def read(self, size: int = -1) -> bytes:
        data, self._data = (self._data, b"") if size < 0 else (self._data[:size], self._data[size:])
        return data


ATTEMPTS: dict[str, Callable[[Account], object]] = {
    "an address that is none": lambda _: addresses.parse(f"{CANARY}@@example.org"),
    "an address with a hidden character": lambda _: addresses.parse(f"{CANARY}\u200b@example.org"),
    "an address at a domain that is none": lambda _: addresses.parse(f"ona@{CANARY}..org"),
    "a contact who is there": lambda account: [contacts.create_contact(account, email=EMAIL) for _ in range(2)],
    "a value that is a document": lambda account: contacts.create_contact(
        account, email=EMAIL, attributes={"bio": NAME * 99_999}
    ),
    "a sender nobody has": lambda account: tenancy.find_sender(account, EMAIL),
    "a sender at another domain": lambda account: senders.create_sender(
        account, domain=make_domain(account), name=NAME, email=EMAIL
    ),
    "a sender who is there": lambda account: [
        senders.create_sender(account, domain=domain, name=NAME, email=f"{CANARY}@{domain.name}")
        for domain in [make_domain(account)] * 2
    ],
    "a test mail to nowhere": send_to_broken,
    "a file whose first row is a person": import_without_header,
    "a mail whose name ends a line": lambda _: render_without({"first_name": f"{NAME}\r\nBcc: x@y", "city": "1"}),
    "a mail without a value": lambda _: render_without({"city": NAME}),
    "a token of nobody": lambda _: unsubscribe.read_claim(CANARY),
    "a sealed value in another place": lambda _: open_moved_seal(),
}  # fmt: skip


@pytest.mark.django_db
@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_no_error_names_anybody(account: Account, attempt: str) -> None:
    with pytest.raises((CampaignError, vault.SealBroken)) as caught:
        ATTEMPTS[attempt](account)
    # With every error it came from, as a traceback would show them, but without lines of source.
    shown = "".join(traceback.TracebackException.from_exception(caught.value, limit=0).format())
    assert_knows_nobody(shown, where=attempt)
    if isinstance(caught.value, CampaignError):
        assert_knows_nobody(f"{caught.value!r} {caught.value.safe_text} {caught.value.action}", where=attempt)


@pytest.mark.django_db
def test_nobody_is_named_by_how_their_rows_look_in_a_traceback(account: Account) -> None:
    contact = make_contact(account, EMAIL, lists=[make_list(account)], first_name=NAME)
    values = [
        contact,
        *contact.subscriptions.all(),
        addresses.parse(EMAIL),
        mime.MailRecipient(EMAIL, {}, "1@x.example"),
    ]
    assert_knows_nobody(" ".join(f"{value!r} {value!s}" for value in values), where="a repr")
