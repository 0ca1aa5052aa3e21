"""Mail programs as they are: what each of them hands in is in the sandbox as the same mail (standards.md 3).

swaks, msmtp and PHPMailer are Debian packages that .ci/run installs, nodemailer comes from npm; without one its tests are
skipped.
"""

from __future__ import annotations

import base64
import json
import shutil
import smtplib
import subprocess
from collections.abc import Iterator
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8, default
from pathlib import Path
from typing import Any

import pytest
from django.core.mail import EmailMultiAlternatives
from django.core.mail.backends.smtp import EmailBackend
from django_q.conf import Conf

from campaigns.models import Message, Submission
from campaigns.outbox.dsn_request import open_request
from tests.api import Program
from tests.smtp_door import Door, open_door

pytestmark = pytest.mark.django_db(transaction=True)

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
PDF = b"%PDF-1.4\n1 0 obj\n<<>>\nendobj\ntrailer\n<<>>\n%%EOF\n"
TEXT = "Labas, Ąžuole!\n.\n..two dots\nFrom here on\n" + "žodis " * 60 + "\n"
HTML = '<p>Labas, <b>Ąžuole</b>! <img src="cid:logo@shop"></p>\n'
HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def door() -> Iterator[Door]:
    with open_door() as found:
        yield found


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch, door: Door, tmp_path: Path) -> Program:
    monkeypatch.setattr(Conf, "SYNC", False)
    # Clients that verify certificates find the authority of the test's here.
    authority = tmp_path / "authority.pem"
    door.authority.cert_pem.write_to_path(str(authority))
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    return Program()


def parts(mail: EmailMessage) -> list[tuple[str, str, str, str | bytes]]:
    """(type, file name, content id, content) of every leaf; texts without their last line end."""
    found = []
    for part in mail.walk():
        if part.is_multipart():
            continue
        content = part.get_content()
        if isinstance(content, str):
            content = "\n".join(content.splitlines()).rstrip("\n")
        name = part.get_filename() or ""
        found.append((part.get_content_type(), name, (part["content-id"] or "").strip("<>"), content))
    return found


def read(raw: bytes) -> EmailMessage:
    mail = message_from_bytes(raw, policy=default)
    assert isinstance(mail, EmailMessage)
    return mail


def first_mail(program: Program) -> EmailMessage:
    """What the first recipient got, read by Python's parser."""
    program.work()
    mail = read(program.mails()[0].as_bytes())
    assert "bcc" not in mail
    return mail


def assert_same(got: EmailMessage, sent: EmailMessage) -> None:
    for header in ("From", "To", "Cc", "Subject"):
        assert str(got[header]) == str(sent[header]), header
    assert parts(got) == parts(sent)


def full_mail(program: Program) -> EmailMessage:
    """Text, HTML with a picture in it, and two attachments."""
    mail = EmailMessage()
    mail["From"] = f"Krautuvė „Žuvis“ <shop@{program.domain.name}>"
    mail["To"], mail["Cc"] = "Ona Ąžuolė <ona@example.net>, bob@example.net", "carl@example.net"
    mail["Subject"] = "Jūsų užsakymas – išsiųstas " * 4
    mail.set_content(TEXT)
    mail.add_alternative(HTML, subtype="html")
    body = mail.get_body(preferencelist=("html",))
    assert isinstance(body, EmailMessage)
    body.add_related(PNG, "image", "png", cid="<logo@shop>", filename="logo.png")
    mail.add_attachment(PDF, maintype="application", subtype="pdf", filename="sąskaita Nr. 17.pdf")
    mail.add_attachment(PNG, maintype="image", subtype="png", filename="plain.png")
    return mail


# --- Python ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["starttls", "tls"])
def test_smtplib_with_pictures_and_attachments(door: Door, program: Program, way: str) -> None:
    mail = full_mail(program)
    client: smtplib.SMTP
    if way == "tls":
        client = smtplib.SMTP_SSL("localhost", door.tls, context=door.trust)
    else:
        client = smtplib.SMTP("localhost", door.starttls)
        client.starttls(context=door.trust)
    with client:
        client.login("App", program.secret)
        assert client.send_message(mail) == {}
    assert Message.objects.count() == 3
    assert_same(first_mail(program), mail)


@pytest.mark.parametrize(
    ("policy", "options"),
    [(SMTP.clone(cte_type="8bit"), ["BODY=8BITMIME"]), (SMTPUTF8, ["SMTPUTF8", "BODY=8BITMIME"])],
)
def test_smtplib_with_eight_bits_mf_06(door: Door, program: Program, policy: Any, options: list[str]) -> None:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = f"Ž <a@{program.domain.name}>", "Ona Ąž <ona@example.net>", "Ąžuolas"
    mail.set_content(TEXT, cte="8bit")
    with smtplib.SMTP("localhost", door.starttls) as client:
        client.starttls(context=door.trust)
        client.login("App", program.secret)
        client.sendmail(f"a@{program.domain.name}", ["ona@example.net"], mail.as_bytes(policy=policy), options)
    got = first_mail(program)
    assert_same(got, mail)
    assert got.as_bytes(policy=SMTP).isascii()


def test_smtplib_to_an_address_beyond_ascii_in_02(door: Door, program: Program) -> None:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = f"a@{program.domain.name}", "用户@example.net", "你好"
    mail.set_content("你好\n")
    with smtplib.SMTP("localhost", door.starttls) as client:
        client.starttls(context=door.trust)
        client.login("App", program.secret)
        client.send_message(mail)
    assert Message.objects.get().recipient == "用户@example.net"
    assert first_mail(program)["to"] == "用户@example.net"


def test_django(door: Door, program: Program) -> None:
    backend = EmailBackend(
        host="localhost", port=door.starttls, username="App", password=program.secret, use_tls=True, timeout=60
    )
    mail = EmailMultiAlternatives(
        "Užsakymas", TEXT, f"Krautuvė <shop@{program.domain.name}>", ["Ona <ona@example.net>"], bcc=["eve@example.net"],
        headers={"X-IB-bulk-id": "django", "Message-ID": "<17@shop.example.net>"}, connection=backend,
    )  # fmt: skip
    mail.attach_alternative(HTML, "text/html")
    mail.attach("sąskaita.pdf", PDF, "application/pdf")
    assert mail.send() == 1
    rows = Message.objects.values_list("recipient", "submission__bulk_id")
    assert sorted(rows) == [("eve@example.net", "django"), ("ona@example.net", "django")]
    got, sent = first_mail(program), read(mail.message().as_bytes())
    assert got["message-id"] == "<17@shop.example.net>"
    assert_same(got, sent)


# --- swaks and msmtp ------------------------------------------------------------------------------------------------


def run(words: list[str], *, text: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(words, input=text, capture_output=True, timeout=110, check=False)


needs_swaks = pytest.mark.skipif(shutil.which("swaks") is None, reason="swaks is not installed (apt-get install swaks)")
needs_msmtp = pytest.mark.skipif(shutil.which("msmtp") is None, reason="msmtp is not installed (apt-get install msmtp)")


def swaks(door: Door, program: Program, *words: str, port: int = 0, password: str = "") -> Any:
    sender = f"shop@{program.domain.name}"
    return run([
        "swaks", "--server", "127.0.0.1", "--port", str(port or door.starttls), "--from", sender, "--auth-user", "App",
        "--auth-password", password or program.secret, "--timeout", "20", *words,
    ])  # fmt: skip


@needs_swaks
@pytest.mark.parametrize(
    "words",
    [
        ["--tls", "--auth", "PLAIN"],
        ["--tls", "--auth", "LOGIN"],
        ["--tls-on-connect", "--auth", "PLAIN", "--pipeline"],
        ["--tls", "--auth", "PLAIN", "--pipeline", "--header", "X-IB-bulk-id: swaks"],
    ],
)
def test_swaks_with_an_attachment(door: Door, program: Program, words: list[str], tmp_path: Path) -> None:
    file = tmp_path / "plain.png"
    file.write_bytes(PNG)
    port = door.tls if "--tls-on-connect" in words else 0
    body = ["--header", "Subject: Užsakymas", "--body", TEXT.replace("\n", "\\n"), "--attach-type", "image/png"]
    done = swaks(
        door, program, "--to", "ona@example.net,bob@example.net", *words, *body, "--attach", f"@{file}", port=port
    )
    assert done.returncode == 0, done.stdout[-1500:]
    assert b"250 2.6.0 Message queued as" in done.stdout
    assert Message.objects.count() == 2
    got = first_mail(program)
    assert got["subject"] == "Užsakymas"
    kinds = [(kind, content) for kind, _, _, content in parts(got)]
    assert kinds == [("text/plain", TEXT.rstrip("\n")), ("image/png", PNG)]


@needs_swaks
@pytest.mark.parametrize(
    ("words", "password", "code", "said"),
    [
        (["--auth", "PLAIN"], "", 28, b"*** Host did not advertise authentication"),
        (["--tls", "--auth", "PLAIN"], "wrong", 28, b"535 5.7.8"),
        (["--tls", "--auth", "CRAM-MD5"], "", 28, b"AUTH LOGIN PLAIN"),
        (["--tls", "--auth", "PLAIN", "--from", "a@example.org"], "", 23, b"550 5.7.1"),
        (["--tls", "--auth", "PLAIN", "--h-From", "a@example.org"], "", 26, b"550 5.7.1"),
    ],
)
def test_swaks_hears_a_clear_no(
    door: Door, program: Program, words: list[str], password: str, code: int, said: bytes
) -> None:
    done = swaks(door, program, "--to", "ona@example.net", *words, password=password)
    assert (done.returncode, said in done.stdout + done.stderr) == (code, True), done.stdout[-1500:]
    assert not Message.objects.exists()


def msmtp(door: Door, program: Program, *words: str, text: bytes, tmp_path: Path, password: str = "") -> Any:
    settings = tmp_path / "msmtprc"
    lines = [
        "account default", "host localhost", f"port {door.starttls}", "tls on", "tls_starttls on", "auth plain", "user App",
        f"tls_trust_file {tmp_path / 'authority.pem'}", f"password {password or program.secret}", "domain client.test",
        f"from shop@{program.domain.name}",
    ]  # fmt: skip
    settings.write_text("\n".join(lines) + "\n")
    settings.chmod(0o600)
    return run(["msmtp", "--file", str(settings), *words], text=text)


@needs_msmtp
def test_msmtp_as_sendmail(door: Door, program: Program, tmp_path: Path) -> None:
    mail = full_mail(program)
    mail["Bcc"] = "eve@example.net"
    # sendmail gets lines that end as on this system.
    done = msmtp(door, program, "--read-recipients", text=mail.as_bytes(policy=default), tmp_path=tmp_path)
    assert done.returncode == 0, done.stderr
    assert Message.objects.count() == 4
    assert_same(first_mail(program), mail)


@needs_msmtp
def test_msmtp_says_by_its_exit_code_what_was_refused(door: Door, program: Program, tmp_path: Path) -> None:
    mail = f"From: a@{program.domain.name}\nTo: ona@example.net\n\nHello\n".encode()
    wrong = msmtp(door, program, "ona@example.net", text=mail, tmp_path=tmp_path, password="wrong")
    assert (wrong.returncode, b"535 5.7.8" in wrong.stderr) == (77, True), wrong.stderr
    stranger = msmtp(door, program, "--from=a@example.org", "ona@example.net", text=mail, tmp_path=tmp_path)
    assert (stranger.returncode, b"550 5.7.1" in stranger.stderr) == (65, True), stranger.stderr
    assert not Message.objects.exists()


@needs_msmtp
def test_msmtp_asks_to_be_told_of_failures(door: Door, program: Program, tmp_path: Path) -> None:
    mail = f"From: a@{program.domain.name}\nTo: ona@example.net\n\nHello\n".encode()
    words = ["--dsn-notify=failure", "--dsn-return=headers", "ona@example.net"]
    done = msmtp(door, program, *words, text=mail, tmp_path=tmp_path)
    assert done.returncode == 0, done.stderr
    request = open_request(Submission.objects.get())
    assert request is not None
    assert request.wishes["ona@example.net"].failure


# --- nodemailer -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def nodemailer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with nodemailer and send.js; the test is skipped where it cannot be installed."""
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        pytest.skip("node and npm are not installed")
    folder = tmp_path_factory.mktemp("nodemailer")
    shutil.copytree(HERE / "nodemailer", folder, dirs_exist_ok=True)
    words = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"]
    done = subprocess.run(words, cwd=folder, capture_output=True, timeout=90, check=False)
    if done.returncode != 0:
        pytest.skip("npm could not install nodemailer")
    return folder


@pytest.mark.parametrize("way", ["starttls", "tls"])
def test_nodemailer_with_pictures_attachments_and_dsn(door: Door, program: Program, nodemailer: Path, way: str) -> None:
    files = [
        {"filename": "logo.png", "content": base64.b64encode(PNG).decode(), "cid": "logo@shop"},
        {"filename": "sąskaita.pdf", "content": base64.b64encode(PDF).decode()},
    ]
    order = {
        "transport": {
            "host": "localhost", "port": door.tls if way == "tls" else door.starttls, "secure": way == "tls",
            "requireTLS": True, "auth": {"user": "App", "pass": program.secret},
            "tls": {"ca": door.authority.cert_pem.bytes().decode()},
        },
        "mail": {
            "from": f"Krautuvė <shop@{program.domain.name}>", "to": "Ona Ąžuolė <ona@example.net>", "subject": "Užsakymas",
            "text": TEXT, "html": HTML, "attachments": files,
            "dsn": {"id": "17", "return": "headers", "notify": ["failure", "delay"], "recipient": "a@example.net"},
            "headers": {"X-IB-message-id": f"node-{way}"},
        },
    }  # fmt: skip
    words = [shutil.which("node") or "node", str(nodemailer / "send.js")]
    done = run(words, text=json.dumps(order).encode())
    assert done.stdout == f"250 2.6.0 Message queued as node-{way}".encode(), done.stderr
    got = first_mail(program)
    assert str(got["to"]) == "Ona Ąžuolė <ona@example.net>"
    assert parts(got) == [
        ("text/plain", "", "", TEXT.rstrip("\n")),
        ("text/html", "", "", HTML.rstrip("\n")),
        ("image/png", "logo.png", "logo@shop", PNG),
        ("application/pdf", "sąskaita.pdf", "", PDF),
    ]
    request = open_request(Submission.objects.get())
    assert request is not None
    assert (request.envelope_id, request.wishes["ona@example.net"].original) == ("17", "rfc822;a@example.net")


# --- PHPMailer, which is what WordPress sends with ------------------------------------------------------------------

PHPMAILER = Path("/usr/share/php/libphp-phpmailer/autoload.php")
needs_phpmailer = pytest.mark.skipif(
    shutil.which("php") is None or not PHPMAILER.exists(),
    reason="PHPMailer is not installed (apt-get install php-cli libphp-phpmailer)",
)


def phpmailer(door: Door, program: Program, *, secure: str, tmp_path: Path, **change: str) -> Any:
    order = {
        "port": door.tls if secure == "ssl" else door.starttls, "secure": secure, "password": program.secret,
        "authority": str(tmp_path / "authority.pem"), "from": f"shop@{program.domain.name}", "to": "ona@example.net",
        "reply_to": "help@example.net", "subject": "Užsakymas 17: ačiū", "text": TEXT, "html": HTML,
        "picture": base64.b64encode(PNG).decode(), "file": base64.b64encode(PDF).decode(),
    }  # fmt: skip
    return run(["php", str(HERE / "phpmailer" / "send.php")], text=json.dumps(order | change).encode())


@needs_phpmailer
@pytest.mark.parametrize("secure", ["tls", "ssl"])
def test_phpmailer_with_a_picture_and_an_attachment(door: Door, program: Program, tmp_path: Path, secure: str) -> None:
    done = phpmailer(door, program, secure=secure, tmp_path=tmp_path)
    assert done.returncode == 0, done.stderr
    mail = first_mail(program)
    assert (str(mail["to"]), str(mail["subject"])) == ("Ona Ąžuolė <ona@example.net>", "Užsakymas 17: ačiū")
    assert str(mail["reply-to"]) == "help@example.net"
    assert Message.objects.get().client_id == f"php-{secure}"
    assert parts(mail) == [
        ("text/plain", "", "", TEXT.rstrip("\n")),
        ("text/html", "", "", HTML.rstrip("\n")),
        ("image/png", "logo.png", "logo@shop", PNG),
        ("application/pdf", "sąskaita.pdf", "", PDF),
    ]


@needs_phpmailer
def test_phpmailer_hears_a_clear_no(door: Door, program: Program, tmp_path: Path) -> None:
    done = phpmailer(door, program, secure="tls", tmp_path=tmp_path, **{"from": "a@example.org"})
    assert (done.returncode, b"550" in done.stderr) == (1, True), done.stderr
    assert not Message.objects.exists()
