"""Infobip's Email API, over real connections to loopback."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from campaigns.delivery import infobip_codes, infobip_wire
from campaigns.delivery.base import MOST_UNANSWERED, Outcome, OutgoingEmail, Receipt
from campaigns.delivery.infobip import InfobipConfig, InfobipTransport
from campaigns.delivery.merging import merge_content
from tests.content_contract import SHARED, ContentContract, make_content_email, send_until_error
from tests.http_server import Asked, Reply
from tests.infobip_server import KEY, InfobipServer, example

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def server(settings: Settings) -> Iterator[InfobipServer]:
    settings.NET_ALLOW_PRIVATE = True
    with InfobipServer() as server:
        yield server


def make_transport(server: InfobipServer, **settings: object) -> InfobipTransport:
    values = {"base_url": server.url, "api_key": KEY, "connections": 3, "mails_per_request": 5, **settings}
    return InfobipTransport(InfobipConfig.from_mapping(values))


def send(transport: InfobipTransport, mails: Sequence[OutgoingEmail]) -> dict[int, Receipt]:
    try:
        return {receipt.id: receipt for receipt in transport.send(mails) if receipt is not None}
    finally:
        transport.close()


def plain(pk: int, to: str = "reader@example.org", **values: str) -> OutgoingEmail:
    """A mail without headers of its own."""
    mail = make_content_email(pk, to)
    return replace(mail, headers=(), values={**mail.values, **values})


class TestInfobip(ContentContract):
    @pytest.fixture(autouse=True)
    def _transport(self, server: InfobipServer) -> Iterator[None]:
        self.server = server
        self.transport = make_transport(server)
        yield
        self.transport.close()

    def arrived(self) -> Sequence[tuple[str, str, str, str]]:
        return self.server.arrived()

    def refuse_the_key(self) -> None:
        self.server.key = "another"


# --- Requests -----------------------------------------------------------------------------------


def test_a_request_holds_many_mails_and_no_more_than_it_may(server: InfobipServer) -> None:
    send(make_transport(server, connections=1), [make_content_email(pk) for pk in range(1, 13)])
    assert [len(asked.json()["messages"]) for asked in server.asked] == [5, 5, 2]
    assert server.connections == 1


def test_no_more_mails_are_on_their_way_than_a_journal_has_room_for() -> None:
    values = {"base_url": "https://x.api.infobip.com", "api_key": KEY, "mails_per_request": 1000}
    for connections in (1, 3, 10, 100):
        config = InfobipConfig.from_mapping({**values, "connections": connections})
        assert config.mails_per_request * connections <= MOST_UNANSWERED


def test_several_requests_are_on_their_way_at_once_each_on_its_own_connection(server: InfobipServer) -> None:
    together = threading.Barrier(3, timeout=60)

    def meet(_: Asked) -> None:
        together.wait()

    server.reply_first = meet
    send(make_transport(server), [make_content_email(pk) for pk in range(1, 16)])
    assert (server.most_at_once, server.connections) == (3, 3)


def test_mails_without_headers_of_their_own_share_one_message(server: InfobipServer) -> None:
    names = {1: "Ada", 2: "Ben", 3: "Cy"}
    send(make_transport(server), [plain(pk, s0=name) for pk, name in names.items()])
    (message,) = server.asked[0].json()["messages"]
    assert len(message["destinations"]) == 3
    assert message["content"]["html"] == SHARED.html
    assert sorted(mail["html"].split()[1] for mail in server.mails) == ["Ada", "Ben", "Cy"]


def test_a_value_the_provider_might_change_is_put_into_the_text_by_us(server: InfobipServer) -> None:
    """Whether Infobip escapes values is documented nowhere."""
    mails = [plain(1, s0="Ada"), plain(2, s0="O&#x27;Brien"), plain(3, s0=" padded "), plain(4, s0="Ben")]
    send(make_transport(server), mails)
    messages = server.asked[0].json()["messages"]
    assert sorted(len(message["destinations"]) for message in messages) == [1, 1, 2]
    assert {mail["html"].split("<a")[0] for mail in server.mails} == {
        "<p>Hello Ada ", "<p>Hello Ben ", "<p>Hello O&#x27;Brien ", "<p>Hello  padded  ",
    }  # fmt: skip


def test_headers_belong_to_one_recipient(server: InfobipServer) -> None:
    """UN-01."""
    mails = [
        replace(make_content_email(pk), headers=(("List-Unsubscribe", f"<https://mail.example.com/u/{pk}>"),))
        for pk in (1, 2)
    ]
    send(make_transport(server), mails)
    assert sorted(mail["headers"]["List-Unsubscribe"] for mail in server.mails) == [
        "<https://mail.example.com/u/1>", "<https://mail.example.com/u/2>",
    ]  # fmt: skip
    assert all(mail["headers"]["Feedback-ID"] == "a:b:c:sealpost" for mail in server.mails)


def test_our_id_is_theirs_and_reports_come_to_our_address(server: InfobipServer) -> None:
    mail = make_content_email(1)
    send(make_transport(server, report_url="https://mail.example.com/callbacks/x/y/"), [mail])
    (arrived,) = server.mails
    assert arrived["messageId"] == str(mail.public_id)
    assert arrived["report_url"] == "https://mail.example.com/callbacks/x/y/"


@pytest.mark.parametrize("on", [False, True])
def test_their_tracking_is_off_unless_somebody_wants_it(server: InfobipServer, on: bool) -> None:
    send(make_transport(server, tracking=on, report_url="https://mail.example.com/c/"), [make_content_email(1)])
    tracking = server.asked[0].json()["options"]["tracking"]
    assert (tracking["track"], tracking["trackOpens"], tracking["trackClicks"]) == (on, on, on)
    assert tracking.get("trackingUrl") == ("https://mail.example.com/c/" if on else None)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("", "news@shop.example"),
        ("The Editors", "The Editors <news@shop.example>"),
        ("Bücher Söhne", "Bücher Söhne <news@shop.example>"),
        ('A "B" <c@d.example>, E', '"A \\"B\\" <c@d.example>, E" <news@shop.example>'),
    ],
)
def test_any_name_of_a_sender_is_one_sender(server: InfobipServer, name: str, expected: str) -> None:
    """MF-08."""
    mail = replace(make_content_email(1), shared=replace(SHARED, from_name=name, reply_to="to@shop.example"))
    send(make_transport(server), [mail])
    assert (server.mails[0]["sender"], server.mails[0]["replyTo"]) == (expected, "to@shop.example")


@pytest.mark.parametrize("value", ["{{s1}}", "{{ unsubscribe }}", "{$unsubscribe}", "x{{"])
def test_braces_in_a_mail_are_not_left_to_the_provider(server: InfobipServer, value: str) -> None:
    """Evil input 12: what it makes of them is its secret."""
    receipts = send(make_transport(server), [plain(1, s0=value), plain(2, s0="Ada")])
    assert (receipts[1].outcome, receipts[1].code) == (Outcome.REJECTED, "infobip.braces")
    assert receipts[2].outcome is Outcome.ACCEPTED
    assert len(server.mails) == 1


@given(st.dictionaries(st.sampled_from(["s0", "s1", "subject"]), st.text(max_size=30), min_size=3, max_size=3))
def test_whatever_is_left_to_the_provider_reads_the_same_escaped_or_not(values: dict[str, str]) -> None:
    """Evil inputs 12 and 13."""
    mail = replace(plain(1), values=values)
    twin = replace(plain(2), shared=mail.shared)
    groups = infobip_wire.group_mails([mail, twin])
    if len(groups) == 1:
        for value in values.values():
            assert not re.search(r"[&<>\"'`={}$]", value)
            assert value == value.strip(" ")
            assert value.isprintable() or not value.isascii()
    body = json.loads(infobip_wire.build_request(groups, report_url="", tracking=False))
    if len(groups) == 2:
        content = merge_content(mail)
        assert body["messages"][0]["content"]["html"] == content.html


# --- Answers ------------------------------------------------------------------------------------


@pytest.mark.parametrize("names_violations", [True, False])
def test_one_bad_mail_does_not_sink_the_others(server: InfobipServer, names_violations: bool) -> None:
    server.names_violations = names_violations
    mails = [make_content_email(pk, "bad@example.org" if pk in {2, 7} else "reader@example.org") for pk in range(1, 11)]
    receipts = send(make_transport(server, mails_per_request=10, connections=1), mails)
    rejected = {pk: receipt.code for pk, receipt in receipts.items() if receipt.outcome is Outcome.REJECTED}
    assert rejected == {2: "infobip.http-400", 7: "infobip.http-400"}
    assert len(server.mails) == len({mail["messageId"] for mail in server.mails}) == 8
    assert len(server.asked) <= (2 if names_violations else 11)


def test_receipts_of_one_request_are_out_before_the_next_leaves_on_its_connection(server: InfobipServer) -> None:
    transport = make_transport(server, connections=1)
    receipts = transport.send(make_content_email(pk) for pk in range(1, 11))
    for count, receipt in enumerate(receipts, 1):
        assert receipt is not None
        assert len(server.asked) == -(-count // 5)
    transport.close()


@pytest.mark.parametrize(
    ("attempt", "in_doubt", "suffix"),
    [(1, False, ""), (2, True, ""), (2, False, ".2"), (3, True, ".3"), (3, False, ".3")],
)
def test_an_attempt_in_doubt_keeps_its_id_and_one_after_a_refusal_gets_another(
    server: InfobipServer, attempt: int, in_doubt: bool, suffix: str
) -> None:
    """SM-06: never delivered twice, and never taken for a repetition of what was refused."""
    mail = replace(make_content_email(1), attempt=attempt, in_doubt=in_doubt)
    receipts = send(make_transport(server), [mail])
    assert receipts[1].outcome is Outcome.ACCEPTED
    assert server.mails[0]["messageId"] == f"{mail.public_id}{suffix}"


def test_a_duplicate_id_is_our_own_earlier_attempt(server: InfobipServer) -> None:
    """SM-06: its answer got lost, the mail did not."""
    receipts = send(make_transport(server), [make_content_email(1, "twice@example.org")])
    assert (receipts[1].outcome, receipts[1].code) == (Outcome.ACCEPTED, "")


def test_no_credit_stops_the_way_out_instead_of_bouncing_everybody(server: InfobipServer) -> None:
    transport = make_transport(server)
    _, error = send_until_error(transport, [make_content_email(1, "credits@example.org")])
    assert error is not None
    assert error.permanent
    assert "credit" in error.safe_text


def test_being_asked_to_wait_is_waited_for(server: InfobipServer) -> None:
    answers = iter([Reply.of({}, 429, Retry_After="1"), Reply.of({}, 503, Retry_After="0")])
    server.reply_first = lambda _: next(answers, None)
    receipts = list(make_transport(server, connections=1).send([make_content_email(1)]))
    assert [r.outcome for r in receipts if r is not None] == [Outcome.ACCEPTED]
    assert None in receipts
    assert len(server.asked) == 3


def test_being_asked_to_wait_for_long_lets_other_mail_go_first(server: InfobipServer) -> None:
    server.reply_first = lambda _: Reply.of({}, 429, Retry_After="600")
    receipts, error = send_until_error(
        make_transport(server, connections=1), [make_content_email(pk) for pk in range(1, 11)]
    )
    assert error is not None
    assert (error.code, error.permanent) == ("transport.busy", False)
    assert [(r.outcome, r.code) for r in receipts if r] == [(Outcome.DEFERRED, "infobip.http-429")] * 5
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("reply", "outcome", "code"),
    [
        (Reply.of({}, 500), Outcome.UNKNOWN, "infobip.outcome-unknown"),
        (Reply(502, b"<html>bad gateway"), Outcome.UNKNOWN, "infobip.outcome-unknown"),
        (Reply(504, b""), Outcome.UNKNOWN, "infobip.outcome-unknown"),
        (Reply(507, b""), Outcome.DEFERRED, "infobip.http-507"),
        (Reply(200, b"garbage"), Outcome.UNKNOWN, "infobip.outcome-unknown"),
        (Reply(200, b"[" * 50_000), Outcome.UNKNOWN, "infobip.outcome-unknown"),
        (Reply.of([1, 2]), Outcome.UNKNOWN, "infobip.outcome-unknown"),
        (Reply.of({"messages": None}), Outcome.UNKNOWN, "infobip.outcome-unknown"),
        (Reply.of({"messages": [{"messageId": "x", "status": 5}, 7, {}]}), Outcome.UNKNOWN, "infobip.outcome-unknown"),
        (Reply.of(example("accepted")), Outcome.UNKNOWN, "infobip.outcome-unknown"),
        (Reply(200, b"x" * 5_000_000), Outcome.UNKNOWN, "infobip.outcome-unknown"),
        (Reply(raw=b"SSH-2.0-OpenSSH\r\n"), Outcome.UNKNOWN, "infobip.outcome-unknown"),
        (Reply(pause=1.2), Outcome.UNKNOWN, "infobip.outcome-unknown"),
        (Reply.of({}, 422), Outcome.REJECTED, "infobip.http-422"),
        (Reply.of("garbage", 400), Outcome.REJECTED, "infobip.http-400"),
    ],
)
def test_an_answer_that_says_nothing_is_told_as_what_it_is(
    server: InfobipServer, reply: Reply, outcome: Outcome, code: str
) -> None:
    """SM-06, evil input 16."""
    server.reply_first = lambda _: reply
    receipts = send(make_transport(server, silence=0.5), [make_content_email(1)])
    assert (receipts[1].outcome, receipts[1].code) == (outcome, code)


@pytest.mark.parametrize(
    ("status", "code"),
    [(401, "transport.login-refused"), (403, "transport.login-refused"), (404, "transport.misconfigured"),
     (302, "transport.misconfigured")],
)  # fmt: skip
def test_what_concerns_all_mail_needs_a_person_and_loses_none(server: InfobipServer, status: int, code: str) -> None:
    server.reply_first = lambda _: Reply.of({}, status)
    receipts, error = send_until_error(make_transport(server), [make_content_email(pk) for pk in range(1, 30)])
    assert error is not None
    assert (error.code, error.permanent) == (code, True)
    assert {r.outcome for r in receipts if r} == {Outcome.DEFERRED}
    assert KEY not in f"{error!r} {error} {error.safe_text}"


def test_a_provider_that_is_down_is_no_reason_for_a_person(server: InfobipServer) -> None:
    transport = InfobipTransport(InfobipConfig(base_url="http://127.0.0.1:9", api_key=KEY, connections=1))
    receipts, error = send_until_error(transport, [make_content_email(1)])
    assert error is not None
    assert (error.code, error.permanent) == ("transport.unreachable", False)
    assert [r.outcome for r in receipts if r] == [Outcome.DEFERRED]


def test_waiting_is_told_every_second(server: InfobipServer) -> None:
    receipts = list(make_transport(server).send([make_content_email(1, "slow@example.org")]))
    assert receipts[0] is None
    assert receipts[-1] is not None


# --- Settings and tables ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [{"base_url": "nonsense"}, {"base_url": ""}, {"api_key": ""}, {"api_key": "a\r\nb"}, {"api_key": "ü"},
     {"connections": "x"}],
)  # fmt: skip
def test_settings_that_cannot_work_are_refused_before_anything_leaves(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r".+"):
        InfobipConfig.from_mapping({"base_url": "https://abc.api.example.com", "api_key": KEY, **change})


def test_plain_http_is_refused_for_others() -> None:
    with pytest.raises(ValueError, match="unusable"):
        InfobipConfig.from_mapping({"base_url": "http://abc.api.example.com", "api_key": KEY})


def test_a_config_does_not_show_its_key() -> None:
    config = InfobipConfig.from_mapping({"base_url": "https://abc.api.example.com", "api_key": KEY})
    assert KEY not in repr(config)


@pytest.mark.parametrize("number", sorted(infobip_codes.STATUSES))
def test_every_status_has_one_meaning_and_a_code_that_fits(number: int) -> None:
    status = infobip_codes.STATUSES[number]
    assert infobip_codes.judge(number, None) is status
    assert infobip_codes.code_of(number) == f"infobip.{number}"
    if status.name.startswith(("PENDING", "DELIVERED")):
        assert status.outcome is Outcome.ACCEPTED
    if status.stop:
        assert status.outcome is Outcome.DEFERRED


@pytest.mark.parametrize("number", sorted(infobip_codes.ERRORS))
def test_every_error_is_told_apart_from_the_statuses(number: int) -> None:
    error = infobip_codes.ERRORS[number]
    assert number >= 6000
    assert error.name.startswith("EC_")
    assert not (error.is_dead and error.also)


@pytest.mark.parametrize(
    ("status_id", "group", "outcome"),
    [
        (9999, 1, Outcome.ACCEPTED), (9999, 5, Outcome.REJECTED), (9999, None, Outcome.UNKNOWN),
        (None, None, Outcome.UNKNOWN), ("7", "1", Outcome.UNKNOWN), (None, 3, Outcome.ACCEPTED),
        ([7], {}, Outcome.UNKNOWN),
    ],
)  # fmt: skip
def test_an_id_nobody_knows_is_judged_by_its_group(status_id: object, group: object, outcome: Outcome) -> None:
    assert infobip_codes.judge(status_id, group).outcome is outcome
