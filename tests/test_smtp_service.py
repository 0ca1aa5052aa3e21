"""`manage.py smtpd` as a process of an installation of its own: many at once, killed, stopped, and silent about people."""

from __future__ import annotations

import json
import logging
import os
import signal
import ssl
import threading
import time
from collections.abc import Iterator

import pytest

from tests.installation import Installation, installed, wait_until
from tests.processes import free_port
from tests.smtp_door import Client

pytestmark = [pytest.mark.timeout(400)]  # whole processes start and work

CANARY = "zqcanary"
PREPARE = """
import json
from django.utils import timezone
from campaigns.accounts.creation import create_account
from campaigns.accounts.keys import create_key
from campaigns.models import Domain, InboundRoute
account = create_account(name="Shop", slug="shop", postal_address="1 Main St, Vilnius", time_zone="UTC")
domain = Domain.objects.create(account=account, name="shop.example.com", verified_at=timezone.now())
InboundRoute.objects.create(account=account, domain=domain, pattern="support")
print(json.dumps(create_key(account, name="Shop", scopes=["email:message:send"])[1]))
"""
SENDER, SUPPORT = "shop@shop.example.com", "support@shop.example.com"


class Service:
    """An installation with a key, and the ports its smtpd listens on."""

    def __init__(self, installation: Installation) -> None:
        self.installation = installation
        self.plain, self.starttls, self.inbound = free_port(), free_port(), free_port()
        installation.environment |= {
            "SMTP_PLAIN_PORT": str(self.plain), "SMTP_PORT": str(self.starttls), "LOG_LEVEL": "DEBUG",
            "INBOUND_PORT": str(self.inbound),
            "SMTP_MAX_CONNECTIONS_PER_ADDRESS": "300",
        }  # fmt: skip
        self.key: str = json.loads(installation.python(PREPARE).splitlines()[-1])
        self.start()

    def start(self) -> None:
        self.process = self.installation.start("smtpd")
        wait_until(self.is_answering, seconds=120)

    def kill(self) -> None:
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def is_answering(self) -> bool:
        try:
            with Client(self.plain) as client:
                return client.hear().startswith("220")
        except OSError:
            return False

    def count(self, name: str, *, distinct: bool = False) -> int:
        """How many messages have an id that begins so."""
        what = "DISTINCT client_id" if distinct else "*"
        return self.installation.query(f"SELECT count({what}) FROM campaigns_message WHERE client_id LIKE '{name}%'")  # noqa: S608


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with installed(tmp_path_factory.mktemp("smtp")) as installation:
        found = Service(installation)
        try:
            yield found
        finally:
            assert found.stop() == 0


def letter(name: str, *, to: str = "bob@example.net") -> bytes:
    return f"From: {SENDER}\r\nTo: {to}\r\nSubject: {name}\r\nX-IB-message-id: {name}\r\n\r\n{name}\r\n".encode()


def test_two_hundred_programs_at_once_are_all_served_su_09(service: Service) -> None:
    clients = [Client(service.plain) for _ in range(200)]
    try:
        for client in clients:
            client.log_in("App", service.key)
            client.start_mail(sender=SENDER)
        for number, client in enumerate(clients):
            client.send(letter(f"many-{number}") + b".\r\n")
        assert {client.hear() for client in clients} == {
            f"250 2.6.0 Message queued as many-{number}" for number in range(200)
        }
    finally:
        for client in clients:
            client.__exit__()
    assert service.count("many") == 200


def send_until_taken(service: Service, names: list[str], deadline: float) -> None:
    """Like any client: what got no 250 is handed in again, the same bytes."""
    waiting = list(names)
    while waiting and time.monotonic() < deadline:
        try:
            with Client(service.plain) as client:
                client.log_in("App", service.key)
                while waiting and client.mail(letter(waiting[0]), sender=SENDER, to=["bob@example.net"])[:3] == "250":
                    del waiting[0]
        except (OSError, IndexError, AssertionError):
            time.sleep(0.1)
    names[:] = waiting


def test_every_mail_that_was_answered_exists_once_whenever_the_process_is_killed_su_07(service: Service) -> None:
    deadline = time.monotonic() + 100
    loads = [[f"killed-{talker}-{number}" for number in range(20)] for talker in range(8)]
    talkers = [
        threading.Thread(target=send_until_taken, args=(service, names, deadline), daemon=True) for names in loads
    ]
    for talker in talkers:
        talker.start()
    for share in (30, 90):
        wait_until(lambda: service.count("killed") >= share, seconds=120, pause=0.02)  # noqa: B023
        service.kill()
        service.start()
    for talker in talkers:
        talker.join(100)
    assert loads == [[]] * 8
    assert (service.count("killed"), service.count("killed", distinct=True)) == (160, 160)


def arrive_until_taken(service: Service, names: list[str], deadline: float) -> None:
    """Like any mail server: what got no 250 comes again."""
    while names and time.monotonic() < deadline:
        try:
            with Client(service.inbound) as client:
                client.hear()
                client.say("EHLO mx.example.net")
                while names and client.mail(letter(names[0]), sender="ann@example.net", to=[SUPPORT])[:3] == "250":
                    del names[0]
        except (OSError, IndexError, AssertionError):
            time.sleep(0.1)


def test_every_mail_other_servers_were_told_is_taken_exists_once_whenever_the_process_is_killed(
    service: Service,
) -> None:
    """RFC 5321 §6.1."""

    def count(what: str = "*") -> int:
        return service.installation.query(f"SELECT count({what}) FROM campaigns_inboundmail")  # noqa: S608

    deadline = time.monotonic() + 100
    loads = [[f"arrives-{talker}-{number}" for number in range(10)] for talker in range(4)]
    talkers = [
        threading.Thread(target=arrive_until_taken, args=(service, names, deadline), daemon=True) for names in loads
    ]
    for talker in talkers:
        talker.start()
    wait_until(lambda: count() >= 10, seconds=120, pause=0.02)
    service.kill()
    service.start()
    for talker in talkers:
        talker.join(100)
    assert loads == [[]] * 4
    assert (count(), count("DISTINCT digest"), count("raw_id")) == (40, 40, 40)


def test_the_self_signed_certificate_is_for_this_machine_and_its_key_private_su_01(service: Service) -> None:
    folder = service.installation.folder
    assert (folder / "smtp-key.pem").stat().st_mode & 0o077 == 0
    context = ssl.create_default_context(cafile=str(folder / "smtp-cert.pem"))
    with Client(service.starttls) as client:
        client.hear()
        client.say("EHLO client.test")
        client.say("STARTTLS")
        client.start_tls(context)
        assert "AUTH LOGIN PLAIN" in client.say("EHLO client.test")


def test_a_taken_port_ends_the_start_with_a_reason(service: Service) -> None:
    second = service.installation.start("smtpd")
    assert second.wait(60) == 1
    assert "A port cannot be listened on" in service.installation.log.read_text()


def test_no_log_knows_a_recipient_a_password_or_a_line_of_a_mail(service: Service) -> None:
    person, secret = f"ona.{CANARY}@{CANARY}.example.org", f"{CANARY}-password"
    with Client(service.plain) as client:
        client.log_in(f"{CANARY}-user", secret)
        client.log_in("App", service.key)
        client.mail(letter(CANARY, to=person), sender=SENDER, to=[person])
        client.mail(letter(f"{CANARY} <{person}>", to=person), sender=SENDER, to=[person])
        client.say(f"MAIL FROM:<{person}>")
        client.say(f"{CANARY} {person}")
        client.say(f"VRFY {person}")
        client.mail(b"From: " + person.encode() + b"\r\n\r\nx\r\n", sender=SENDER, to=[person])
        client.mail(b"X" * 2000, sender=SENDER, to=[person])
    with Client(service.starttls) as client:
        client.hear()
        client.say("EHLO client.test")
        client.say("STARTTLS")
        client.send(CANARY.encode() * 100)
    log = service.installation.log.read_text()
    found = log.lower().find(CANARY)
    assert found < 0, log[max(found - 300, 0) : found + 200]
    assert service.key.partition("-")[2] not in log
    assert service.count(CANARY) == 2


def test_the_library_below_is_silent_at_every_level(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="mail.log")
    logging.getLogger("mail.log").debug("a recipient")
    logging.getLogger("mail.log").error("a recipient")
    assert "recipient" not in caplog.text
