"""What servers answer when they refuse, and what each answer means."""

from __future__ import annotations

import csv
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from campaigns.admin.campaign_words import explain
from campaigns.replies import wording
from campaigns.replies.classify import classify_reply
from campaigns.replies.meaning import MEANINGS, Class, Reason, class_of
from campaigns.replies.rule import Rule
from campaigns.replies.rules import RULES
from campaigns.replies.statuses import read_code, read_status

DATA = Path(__file__).resolve().parent / "data"
CORPUS = Path(__file__).resolve().parent.parent.parent / "shared" / "corpora" / "bounces" / "smtp-replies.tsv"
REPLIES = [line.split("|", 1) for line in (DATA / "server-replies.txt").read_text("utf-8").splitlines()]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule.reason}-{RULES.index(rule)}")
def test_each_rule_decides_its_example_and_no_earlier_rule_does(rule: Rule) -> None:
    words = wording.normalise(rule.example).replace("<@>", "@")
    assert next(found for found in RULES if found.matches(words)) is rule
    assert classify_reply(0, "", rule.example).reason == rule.reason


@pytest.mark.parametrize(("reason", "text"), REPLIES, ids=range(len(REPLIES)))
def test_replies_of_well_known_servers(reason: str, text: str) -> None:
    command = "RCPT" if class_of(Reason(reason)) == Class.HARD else ""
    assert classify_reply(0, "", text.replace("\\n", "\n"), command=command).reason == reason


def test_what_is_about_somebody_else_makes_no_address_dead_though_rcpt_was_refused() -> None:
    wrong = [
        text
        for reason, text in REPLIES
        if class_of(Reason(reason)) != Class.HARD
        and classify_reply(0, "", text.replace("\\n", "\n"), command="RCPT").bounce_class == Class.HARD
    ]
    assert wrong == []


def test_every_reason_has_a_class_and_a_sentence() -> None:
    assert set(MEANINGS) == set(Reason)
    assert all(meaning.text.endswith(".") for meaning in MEANINGS.values())
    assert explain("bounce.mailbox-full") == "The mailbox is full"
    assert explain("bounce.x") == "The mail came back"


# --- Sender problems (MP-08) ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (421, "4.7.23"), (550, "5.7.23"), (421, "4.7.25"), (550, "5.7.25"), (550, "5.7.26"), (421, "4.7.27"),
        (550, "5.7.27"), (421, "4.7.30"), (550, "5.7.30"), (421, "4.7.31"), (421, "4.7.32"), (550, "5.7.32"),
        (421, "4.7.40"), (550, "5.7.40"), (550, "5.7.509"), (550, "5.7.515"),
    ],
)  # fmt: skip
def test_mp_08_codes_of_large_providers_are_our_own_fault(code: int, status: str) -> None:
    """MP-08: whatever the words say, and however permanent it is."""
    assert classify_reply(code, status, "").bounce_class == Class.SENDER
    assert classify_reply(code, status, "550 5.1.1 user unknown").bounce_class == Class.SENDER


@pytest.mark.parametrize("status", ["4.7.28", "5.7.28"])
def test_mp_08_too_much_mail_slows_down(status: str) -> None:
    """MP-08."""
    assert classify_reply(0, status, "unusual rate of unsolicited mail").bounce_class == Class.THROTTLE


def test_one_code_with_two_meanings_is_told_apart_by_the_words() -> None:
    """MP-08: X.7.23 is SPF (RFC 7372), and Gmail's missing PTR."""
    assert classify_reply(550, "5.7.23", "SPF validation failed").reason == Reason.AUTHENTICATION
    assert classify_reply(421, "4.7.23", "The sending IP has no PTR record").reason == Reason.NO_PTR


# --- Certainty --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "status", "text"),
    [
        (450, "", "450 user unknown"),
        (450, "4.1.1", "450 4.1.1 <ann@example.com>: user unknown"),
        (0, "4.0.0", "NXDOMAIN Domain name not found"),
        (451, "4.1.1", ""),
        (0, "4.1.2", "Host unknown"),
    ],
)
def test_ds_03_what_may_pass_by_itself_is_never_hard(code: int, status: str, text: str) -> None:
    """DS-03."""
    assert classify_reply(code, status, text).bounce_class == Class.SOFT


@pytest.mark.parametrize(("status", "expected"), [("5.0.0", "5.2.2"), ("", "5.2.2"), ("5.1.1", "5.1.1")])
def test_ds_04_the_servers_own_code_counts_more_than_a_placeholder(status: str, expected: str) -> None:
    """DS-04."""
    assert classify_reply(0, status, "552-5.2.2 The mailbox is full. 192.0.2.1").status == expected


@pytest.mark.parametrize(
    ("command", "text", "reason"),
    [
        ("RCPT", "550 Unknown user ann@example.com", Reason.NO_MAILBOX),
        ("DATA", "550 Unknown user ann@example.com", Reason.FILTERED),
        ("", "550 Unknown user ann@example.com", Reason.UNPROVEN),
        ("MAIL", "550 Unknown user ann@example.com", Reason.SENDER_REFUSED),
        ("HELO", "550 Unknown user", Reason.BLOCKED),
        ("DATA", "550 5.1.1 <ann@example.com>: user unknown", Reason.NO_MAILBOX),
        ("DATA", "550 unknown user 503 Valid RCPT command must precede DATA", Reason.NO_MAILBOX),
        ("", "550 : User unknown", Reason.FILTERED),
        ("", "550 5.7.1 no such user", Reason.FILTERED),
        ("RCPT", "550 5.7.1 no such user", Reason.NO_MAILBOX),
        ("", "somebody wrote: user unknown", Reason.UNPROVEN),
        ("RCPT", "550 recipient unknown at this time, try later", Reason.TRY_LATER),
    ],
)
def test_words_about_a_mailbox_count_when_it_was_the_mailbox_that_was_refused(
    command: str, text: str, reason: Reason
) -> None:
    """Filters say "unknown user" to annoy spammers, after they have taken the whole mail."""
    assert classify_reply(0, "", text, command=command).reason == reason


def test_the_name_of_a_mailbox_says_nothing() -> None:
    assert (
        classify_reply(550, "5.1.1", "550 5.1.1 <mailbox.full.of.spam@virus.example>: unknown").reason
        == Reason.NO_MAILBOX
    )


def test_words_may_break_anywhere_and_repeat_the_code() -> None:
    text = "550-5.1.1 The email account that you tried to reach does\r\n550-5.1.1 not\n550 5.1.1 exist."
    assert classify_reply(0, "", text).reason == Reason.NO_MAILBOX


def test_codes_alone_say_something() -> None:
    assert (read_status("5.1.1"), read_status("4.2.2"), read_status("9")) == (
        Reason.NO_MAILBOX, Reason.MAILBOX_FULL, Reason.UNDEFINED,
    )  # fmt: skip
    assert (read_code(552), read_code(556), read_code(7)) == (Reason.MAILBOX_FULL, Reason.NO_MAIL, Reason.UNDEFINED)
    assert classify_reply(550, "", "").reason == Reason.UNDEFINED


# --- Anything ---------------------------------------------------------------------------------------


@settings(max_examples=200)
@given(st.integers(0, 999), st.text(max_size=12), st.text(max_size=300), st.sampled_from(["", "RCPT", "DATA", "x"]))
def test_any_reply_has_a_reason(code: int, enhanced: str, text: str, command: str) -> None:
    assert classify_reply(code, enhanced, text, command=command).reason in Reason


@pytest.mark.parametrize(
    "piece",
    ["name", "mailbox ", "a@b.example", "<", ",,,,", "exceed ", "550-", "not ", "host is ", "5.1.1", "\n", "spf "],
)
def test_a_hostile_reply_takes_no_longer_than_its_size(piece: str) -> None:
    began = time.process_time()
    classify_reply(550, "", piece * (400_000 // len(piece)))
    assert time.process_time() - began < 2


@pytest.mark.skipif(not CORPUS.exists(), reason="the corpus of bounces is not beside this repository")
def test_labelled_replies_of_many_servers() -> None:
    """Three in four of the replies that say an address is dead say so to us, and hardly any other does."""
    hits = wrong = missed = 0
    for row in csv.DictReader(CORPUS.read_text("utf-8").splitlines(), delimiter="\t"):
        if row["hardbounce"] not in {"0", "1"} or not row["diagnostic"] or row["reason"] in {"delivered", "feedback"}:
            continue
        # The labels' own placeholders, 5.0.9xx, are no server's.
        status = "" if row["status"].startswith(("5.0.9", "4.0.9")) else row["status"]
        code = int(row["reply"] or 0)
        is_hard = (
            classify_reply(code, status, row["diagnostic"], command=row["command"] or "").bounce_class == Class.HARD
        )
        hits += is_hard and row["hardbounce"] == "1"
        wrong += is_hard and row["hardbounce"] == "0"
        missed += not is_hard and row["hardbounce"] == "1"
    assert hits / (hits + wrong) > 0.95
    assert hits / (hits + missed) > 0.93
