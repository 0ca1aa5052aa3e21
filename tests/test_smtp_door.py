"""The submission server up to the login and around it: greeting, TLS, AUTH, order of commands, limits (standards.md 1.7)."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import replace

import pytest

from campaigns.accounts.keys import revoke_key
from campaigns.models import BaaStatus, Lane
from campaigns.smtp import callers
from campaigns.smtp.limits import Limits
from tests.api import Program
from tests.factories import make_account, make_user
from tests.smtp_door import QUICK, Client, Door, open_door, plain

database = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module")
def door() -> Iterator[Door]:
    with open_door() as found:
        yield found


@pytest.fixture
def guest(door: Door) -> Iterator[Client]:
    """A client that has been greeted and has said EHLO, without encryption."""
    with Client(door.plain) as client:
        client.hear()
        client.say("EHLO client.test")
        yield client


def offers(client: Client) -> set[str]:
    return {line[4:] for line in client.say("EHLO client.test").split("\n")}


# --- Greeting and TLS -----------------------------------------------------------------------------------------------


def test_the_offers_are_those_of_infobips_list_su_10(door: Door) -> None:
    with Client(door.tls, tls=door.trust) as client:
        assert client.hear() == "220 smtp.test ESMTP"
        assert offers(client) == {
            "smtp.test", "8BITMIME", "SIZE 10485760", "AUTH LOGIN PLAIN", "DSN", "ENHANCEDSTATUSCODES", "PIPELINING", "SMTPUTF8",
            "OK",
        }  # fmt: skip


def test_before_tls_nobody_is_asked_to_log_in_and_nobody_can_su_01(door: Door) -> None:
    with Client(door.starttls) as client:
        client.hear()
        assert "STARTTLS" in offers(client)
        assert not any(offer.startswith("AUTH") for offer in offers(client))
        assert client.say("AUTH PLAIN AGEAYg==").startswith("538 5.7.11")
        assert client.say("MAIL FROM:<a@example.com>") == "530 5.7.0 Must issue a STARTTLS command first"


def test_after_tls_everything_begins_anew_su_05(door: Door) -> None:
    with Client(door.starttls) as client:
        client.hear()
        client.say("EHLO client.test")
        assert client.say("STARTTLS") == "220 2.0.0 Ready to start TLS"
        client.start_tls(door.trust)
        assert client.say("AUTH PLAIN AGEAYg==").startswith("503")
        assert "STARTTLS" not in offers(client)
        assert client.say("STARTTLS").startswith("503")


@pytest.mark.parametrize(
    "behind", [b"NOOP\r\n", b"EHLO evil.test\r\nAUTH PLAIN AGEAYg==\r\n", b"RSET", b"EHLO x\r\n" * 500]
)
def test_what_came_behind_starttls_is_thrown_away_su_05_evil_31(door: Door, behind: bytes) -> None:
    with Client(door.starttls) as client:
        client.hear()
        client.say("EHLO client.test")
        client.send(b"STARTTLS\r\n" + behind)
        assert client.hear().startswith("220 2.0.0")
        client.start_tls(door.trust)
        # The first thing that is answered is the first thing said inside.
        assert client.say("HELP").startswith("214")
        assert client.say("MAIL FROM:<a@example.com>").startswith("530 5.7.0")


def test_a_failed_handshake_ends_the_connection_and_nobody_elses(door: Door) -> None:
    with Client(door.starttls) as client:
        client.hear()
        client.say("EHLO client.test")
        client.say("STARTTLS")
        client.send(b"EHLO this is no handshake\r\n" * 20)
        assert not client.hear().startswith("2")
    with Client(door.starttls) as other:
        assert other.hear().startswith("220")


# --- Before the login -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [
        "MAIL FROM:<a@example.com>", "RCPT TO:<b@example.net>", "DATA", "RCPT TO:<user%example.net@example.com>",
        "RCPT TO:<@example.com:b@example.net>", 'RCPT TO:<"b@example.net"@example.com>', "VRFY ann", "MAIL FROM:<>",
    ],
)  # fmt: skip
def test_nothing_is_taken_before_the_login_su_03(guest: Client, line: str) -> None:
    assert guest.say(line) == "530 5.7.0 Authentication required"


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("NOOP", "250 2.0.0"), ("RSET", "250 2.0.0"), ("HELP", "214 2.0.0"), ("EXPN list", "502 5.5.1"),
        ("HELO", "501 5.5.4"), ("EHLO", "501 5.5.4"), ("WHAT", "500 5.5.1"), ("", "500 5.5.1"), ("RSET now", "501 5.5.4"),
        ("STARTTLS", "502 5.5.1"), ("QUIT now", "501 5.5.4"), ("x" * 3000, "500 5.5.2"), ("NOOP " + "x" * 60_000, "500 5.5.2"),
        (b"NOOP \xff\xfe", "500 5.5.2"), (b"NOOP a\x07b", "500 5.5.2"), ("noop", "250 2.0.0"), ("BDAT 10 LAST", "502 5.5.1"),
        ("AUTH", "501 5.5.4"),
    ],
)  # fmt: skip
def test_every_reply_has_an_enhanced_code_su_10(guest: Client, line: str | bytes, code: str) -> None:
    assert guest.say(line).startswith(code)


def test_an_endless_line_costs_no_memory_and_ends_in_500_sm_04_evil_32(guest: Client) -> None:
    for _ in range(160):
        guest.send(b"x" * 65536)
    assert guest.say("") == "500 5.5.2 Line too long"
    assert guest.say("NOOP").startswith("250")


def test_auth_comes_after_ehlo(door: Door) -> None:
    with Client(door.plain) as client:
        client.hear()
        assert client.say("AUTH PLAIN AGEAYg==").startswith("503 5.5.1")


# --- AUTH -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        (["AUTH PLAIN", "*"], "501 5.7.0"),
        (["AUTH LOGIN", "*"], "501 5.7.0"),
        (["AUTH PLAIN ="], "501 5.5.2"),
        (["AUTH PLAIN !!!!"], "501 5.5.2"),
        (["AUTH PLAIN", "no base64"], "501 5.5.2"),
        (["AUTH LOGIN", "YQ==", "%%%"], "501 5.5.2"),
        (["AUTH PLAIN YQ=="], "501 5.5.2"),
        (["AUTH CRAM-MD5"], "504 5.5.4"),
        (["AUTH XOAUTH2 abcd"], "504 5.5.4"),
        (["AUTH PLAIN", "A" * 200_000], "501 5.5.2"),
        (["AUTH PLAIN " + "A" * 200_000], "500 5.5.2"),
    ],
)
def test_what_is_no_login_is_told_apart_from_a_wrong_one_su_02_evil_33(
    guest: Client, lines: list[str], code: str
) -> None:
    replies = [guest.say(line) for line in lines]
    assert replies[-1].startswith(code)
    assert all(reply.startswith("334") for reply in replies[:-1])


def test_the_prompts_of_login_are_the_usual_ones_su_02(guest: Client) -> None:
    assert guest.say("AUTH LOGIN") == "334 VXNlcm5hbWU6"
    assert guest.say("YQ==") == "334 UGFzc3dvcmQ6"
    guest.say("*")


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@database
def test_a_key_logs_in_by_every_form_su_02(door: Door) -> None:
    program = Program()
    forms = [
        [f"AUTH PLAIN {plain('App', program.secret)}"],
        ["AUTH PLAIN", plain("App", program.secret)],
        ["auth plain", plain("app", program.secret, identity="app")],
        ["AUTH LOGIN", b64("App"), b64(program.secret)],
        [f"AUTH LOGIN {b64('App')}", b64(program.secret)],
    ]
    for form in forms:
        with Client(door.plain) as client:
            client.hear()
            client.say("EHLO client.test")
            assert [client.say(line) for line in form][-1] == "235 2.7.0 Authentication successful"
            assert client.say(form[0]).startswith("503")


@database
def test_a_person_logs_in_with_name_and_password_su_02(door: Door) -> None:
    user = make_user(make_account(), role="operator")
    with Client(door.plain) as client:
        assert client.log_in(user.username, "correct horse battery").startswith("235")


@database
def test_every_wrong_login_is_answered_alike_su_02_evil_33(door: Door) -> None:
    program = Program()
    user = make_user(program.account, role="operator")
    secret, name = program.secret, user.username
    wrong = [
        ("App", secret[:-1] + "x"), ("App", ""), ("App", "x"), ("nobody", "x"), (name, "x"), (name, "correct horse battery\0"),
        ("a\0b", "c"), (f"{name}:x", "correct horse battery"),
    ]  # fmt: skip
    with Client(door.plain) as client:
        replies = {client.log_in(*pair) for pair in wrong}
        other = f"AUTH PLAIN {plain(name, 'correct horse battery', identity='root')}"
        replies.add(client.say(other))
        no_text = base64.b64encode(b"\0\xff\xfe\0x").decode()
        replies.add(client.say(f"AUTH PLAIN {no_text}"))
    assert replies == {"535 5.7.8 Authentication credentials invalid"}


@database
def test_whoever_guesses_has_to_wait_and_is_sent_away_evil_33() -> None:
    program = Program()
    with open_door(replace(QUICK, wrong_logins=3)) as door:
        for _ in range(4):
            with Client(door.plain) as client:
                replies = [client.log_in("App", f"wrong {_}{number}") for number in range(3)]
                assert replies[-1] == "421 4.7.0 Too many errors"
                assert client.hear() == ""
        with Client(door.plain) as client:
            # Eleven wrong ones from this address: the right one waits as well, and is told so.
            assert client.log_in("App", program.secret).startswith("454 4.7.0")


@database
def test_keys_of_one_lane_are_refused_at_the_door_of_the_other_before_any_mail(door: Door) -> None:
    account = make_account(baa_status=BaaStatus.ACTIVE)
    hipaa, standard = Program(account, lane=Lane.HIPAA), Program()
    with Client(door.plain) as client:
        assert client.log_in("App", hipaa.secret).startswith(
            "535 5.7.8 This key belongs to the HIPAA-eligible endpoint."
        )
        assert client.say("MAIL FROM:<a@example.com>").startswith("530")
        assert client.say(f"AUTH PLAIN {plain('App', Program(account).secret)}").startswith("535")
    with Client(door.hipaa, tls=door.trust) as client:
        assert client.log_in("App", standard.secret).startswith("535 5.7.8 This key belongs to the ordinary endpoint.")
        assert client.say("MAIL FROM:<a@example.com>").startswith("530")
        assert client.say(f"AUTH PLAIN {plain('App', hipaa.secret)}").startswith("235")


@database
@pytest.mark.parametrize("status", [BaaStatus.NONE, BaaStatus.PENDING, BaaStatus.SUSPENDED, BaaStatus.ENDED])
def test_without_an_agreement_in_force_the_hipaa_door_stays_closed(door: Door, status: str) -> None:
    program = Program(make_account(baa_status=status), lane=Lane.HIPAA)
    with Client(door.hipaa, tls=door.trust) as client:
        assert client.log_in("App", program.secret).startswith("535 5.7.8 This account has no Business Associate")


@database
def test_a_key_without_the_scope_to_send_does_not_log_in(door: Door) -> None:
    with Client(door.plain) as client:
        assert client.log_in("App", Program(scopes=["email:logs:read"]).secret).startswith("535 5.7.8")


@database
def test_a_key_revoked_in_between_sends_no_more(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    program = Program()
    with Client(door.plain) as client:
        client.log_in("App", program.secret)
        revoke_key(program.key)
        monkeypatch.setattr(callers, "LOOKED_AT_EVERY", 0.0)
        assert client.say(f"MAIL FROM:<a@{program.domain.name}>").startswith("421 4.7.0")
        assert client.hear() == ""


@database
def test_a_domain_verified_in_between_may_be_sent_from(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    program = Program()
    name = program.domain.name
    program.account.domains.update(name="other.example.com")
    with Client(door.plain) as client:
        client.log_in("App", program.secret)
        assert client.say(f"MAIL FROM:<a@{name}>").startswith("550 5.7.1")
        program.account.domains.update(name=name)
        monkeypatch.setattr(callers, "LOOKED_AT_EVERY", 0.0)
        assert client.say(f"MAIL FROM:<a@{name}>").startswith("250 2.1.0")


# --- Limits (SU-09) -------------------------------------------------------------------------------------------------


def test_connections_of_one_address_and_of_all_are_counted_su_09() -> None:
    for limits in (Limits(connections_per_address=2), Limits(connections=2)):
        with open_door(limits) as door:
            with Client(door.plain) as one, Client(door.plain) as two:
                assert one.hear()[:3] == two.hear()[:3] == "220"
                with Client(door.plain) as three:
                    assert three.hear() == "421 4.7.0 Too many connections"
                assert one.say("QUIT") == "221 2.0.0 Bye"
                assert one.hear() == ""
            with Client(door.plain) as four:
                assert four.hear()[:3] == "220"


@pytest.mark.parametrize("limits", [Limits(idle_seconds=0.2), Limits(login_seconds=0.2)])
def test_a_silent_client_is_sent_away_su_09(limits: Limits) -> None:
    with open_door(limits) as door, Client(door.plain) as client:
        client.hear()
        assert client.hear() == "421 4.4.2 Timeout"
        assert client.hear() == ""


def test_a_client_that_only_talks_is_sent_away_su_09() -> None:
    with open_door(Limits(idle_commands=20)) as door, Client(door.plain) as client:
        client.hear()
        client.send(b"NOOP\r\n" * 100)
        replies = [client.hear() for _ in range(22)]
        assert replies[-2:] == ["421 4.7.0 Too many errors", ""]


def test_a_client_that_only_errs_is_sent_away_su_09() -> None:
    with open_door(Limits(faults=3)) as door, Client(door.plain) as client:
        client.hear()
        client.send(b"GET / HTTP/1.1\r\nHost: x\r\nAccept: */*\r\nUser-Agent: y\r\n\r\n")
        assert [client.hear()[:3] for _ in range(5)] == ["500", "500", "500", "421", ""]


@database
def test_recipients_are_counted_su_09_evil_32() -> None:
    program = Program()
    with open_door(replace(QUICK, recipients=3, refused_recipients=4)) as door, Client(door.plain) as client:
        client.log_in("App", program.secret)
        client.say(f"MAIL FROM:<a@{program.domain.name}>")
        replies = [client.say(f"RCPT TO:<r{number}@example.net>") for number in range(8)]
        assert replies[:3] == ["250 2.1.5 Recipient OK"] * 3
        assert {reply[:9] for reply in replies[3:7]} == {"452 4.5.3"}
        assert replies[7].startswith("421 4.7.0")


@database
def test_mails_of_one_connection_are_counted_su_09() -> None:
    program = Program()
    with open_door(replace(QUICK, mails=0)) as door, Client(door.plain) as client:
        client.log_in("App", program.secret)
        assert client.say(f"MAIL FROM:<a@{program.domain.name}>") == "421 4.7.0 Too many mails in one connection"


@database
@pytest.mark.parametrize("limits", [replace(QUICK, data_pause_seconds=0.2), replace(QUICK, data_seconds=0.3)])
def test_a_mail_that_drips_is_not_waited_for_su_09_evil_32(limits: Limits) -> None:
    program = Program()
    with open_door(limits) as door, Client(door.plain) as client:
        client.log_in("App", program.secret)
        for line in (f"MAIL FROM:<a@{program.domain.name}>", "RCPT TO:<b@example.net>", "DATA"):
            client.say(line)
        client.send(b"From: a")
        assert client.hear() == "421 4.4.2 Timeout"


def test_a_server_that_stops_says_goodbye() -> None:
    with open_door() as door:
        client = Client(door.plain)
        client.hear()
    with client:
        assert client.hear() == "421 4.3.2 The service is stopping"
        assert client.hear() == ""
