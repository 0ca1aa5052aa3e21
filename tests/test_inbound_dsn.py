"""Delivery status notifications as they are really written (RFC 3464)."""

from __future__ import annotations

import pytest

from campaigns.inbound import dsn
from campaigns.inbound.bounces import Outcome
from campaigns.inbound.dsn import RecipientStatus, read_delivery_status
from campaigns.inbound.reports import Kind, read_report
from tests.reports import make_dsn


def read(text: str) -> tuple[RecipientStatus, ...]:
    return read_delivery_status(text).recipients


def test_every_recipient_of_a_report_is_read() -> None:
    """DS-02."""
    first, second = read(
        "Reporting-MTA: dns; mx.example\n\nOriginal-Recipient: rfc822;ann+news@example.com\n"
        "Final-Recipient: rfc822; ann@inner.example.com\nAction: Failed (bad address)\nStatus: 5.1.1 (no)\n"
        "Remote-MTA: dns; inner.example.com\nDiagnostic-Code: smtp; 550\n 5.1.1 unknown\n\n"
        "Final-Recipient: RFC822;<bob@example.com>\nAction: delayed\nStatus: 4.4.1\n"
    )
    assert (first.final, first.action, first.status) == ("ann@inner.example.com", "failed", "5.1.1")
    assert (first.diagnostic, first.remote) == ("550 5.1.1 unknown", "inner.example.com")
    assert first.addresses == ("ann+news@example.com", "ann@inner.example.com")
    assert (second.final, second.action, second.status) == ("bob@example.com", "delayed", "4.4.1")


ONE = "Final-Recipient: rfc822;{0}@x.example\nAction: failed\nStatus: 5.1.1\n"


@pytest.mark.parametrize(
    "each",
    [
        ONE,
        f"{ONE}\n",
        ONE.replace("\n", "\n\n"),
        "Action: failed\nFinal-Recipient: rfc822;{0}@x.example\nStatus: 5.1.1\n\n",
    ],
    ids=["no blank line", "as it should be", "blank lines within", "another order"],
)
def test_reports_that_break_the_format_are_read(each: str) -> None:
    """DS-08."""
    assert [(row.final, row.action, row.status) for row in read(each.format("a") + each.format("b"))] == [
        ("a@x.example", "failed", "5.1.1"),
        ("b@x.example", "failed", "5.1.1"),
    ]


@pytest.mark.parametrize(
    ("value", "address"),
    [
        ("rfc822; ann@example.com", "ann@example.com"),
        ("rfc822;Ann <ann@example.com>", "ann@example.com"),
        ("ann@example.com", "ann@example.com"),
        ("utf-8; j\\x{F6}rg@b\\x{FC}cher.example", "jörg@bücher.example"),
        ("utf-8; \\x{110000}\\x{D800}a@x.example", "a@x.example"),
        ('rfc822;"ann lee"@example.com', '"ann lee"@example.com'),
        ("LOCAL;ann", "ann"),
        ("rfc822; ann@example.com (expanded)", "ann@example.com"),
        ("", ""),
    ],
)
def test_addresses_of_all_types_are_read(value: str, address: str) -> None:
    """RFC 3464 §2.3.1, RFC 6533 §3."""
    assert dsn.read_typed_address(value) == address


def test_xtext_in_a_report_is_understood_as_well() -> None:
    """RFC 3461 §4: it should have been decoded, and sometimes has not."""
    (row,) = read("Original-Recipient: rfc822;ann+2Bnews@example.com\nFinal-Recipient: rfc822;x@y.example\n")
    assert row.addresses == ("ann+2Bnews@example.com", "x@y.example", "ann+news@example.com")


def test_the_envelope_id_comes_back_unchanged() -> None:
    """DS-01."""
    assert read_delivery_status(
        "Original-Envelope-Id: camp42-77\n\nFinal-Recipient: rfc822;a@x.example\n"
    ).envelope_id == ("camp42-77")


@pytest.mark.parametrize(
    ("action", "status", "kind", "outcome"),
    [
        ("failed", "5.1.1", Kind.BOUNCE, Outcome.FAILED),
        ("failed", "4.4.7", Kind.BOUNCE, Outcome.FAILED),
        ("delayed", "4.4.1", Kind.DELAYED, Outcome.DELAYED),
        ("delivered", "2.0.0", Kind.DELIVERED, Outcome.DELIVERED),
        ("relayed", "2.0.0", Kind.DELIVERED, Outcome.RELAYED),
        ("expanded", "2.0.0", Kind.DELIVERED, Outcome.EXPANDED),
        ("deliverable", "2.1.5", Kind.DELIVERED, Outcome.DELIVERED),
        ("", "5.1.1", Kind.BOUNCE, Outcome.FAILED),
    ],
)
def test_actions_are_told_apart(action: str, status: str, kind: Kind, outcome: Outcome) -> None:
    """DS-02, DS-03."""
    report = read_report(make_dsn("ann@example.com", action=action, status=status))
    assert (report.kind, [failure.outcome for failure in report.failures]) == (kind, [outcome])


def test_a_placeholder_gives_way_to_the_servers_own_code() -> None:
    """DS-04."""
    (failure,) = read_report(make_dsn("ann@example.com", status="5.0.0", diagnostic="552 5.2.2 full")).failures
    assert (failure.status, failure.verdict.reason) == ("5.2.2", "mailbox-full")


def test_a_report_of_thousands_ends_somewhere() -> None:
    """Evil input 25."""
    rows = "\n\n".join(f"Final-Recipient: rfc822;a{n}@x.example\nAction: failed" for n in range(5_000))
    assert len(read(rows)) == dsn.MOST_RECIPIENTS
