"""Each rule with facts that pass it and facts, one thing changed, that it blocks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from compliance import gate
from compliance.facts import AttachmentFacts, Finding, SendFacts
from compliance.registry import BOOK
from compliance.rules.attachments import ALLOWED_TYPES
from compliance.rules.message import MAX_BYTES

FINE = SendFacts(
    feature="campaign.broadcast",
    lane="standard",
    purpose="marketing",
    account_baa_status="none",
    transport_kind="smtp",
    sender_domain_verified=True,
    has_unsubscribe_link=True,
    has_postal_address=True,
    message_bytes=20_000,
    attachments=(AttachmentFacts("price list.pdf", "application/pdf", 9_000),),
    tracks=False,
    sender_dmarc="",
)


def attach(name: str, detected: str | None = "application/pdf") -> dict[str, Any]:
    return {"attachments": (AttachmentFacts(name, detected, 10),)}


# Rule id -> the changes to FINE it blocks; FINE itself passes every rule.
BLOCKED: dict[str, list[dict[str, Any]]] = {
    "attachment.content-mismatch": [
        attach("invoice.pdf", "application/zip"),
        attach("photo.jpg", "image/png"),
        attach("notes.txt", None),
    ],
    "attachment.name-unsafe": [
        attach("invoice.exe.pdf"),
        attach("invoice.pdf .pdf"),
        attach("invoice\u202efdp.pdf"),
        attach("in\u200bvoice.pdf"),
        attach("bill\r\nX: y.pdf"),
        attach("../../etc/invoice.pdf"),
        attach("a\\b.pdf"),
        attach("invoice.pdf "),
        attach("invoice.pdf."),
        attach("ž" * 200 + ".pdf"),
        attach(""),
        attach("\ud800.pdf"),
    ],
    "attachment.type-refused": [
        attach("setup.exe", "application/x-msdownload"),
        attach("invoice.pdf.exe"),
        attach("invoice"),
        attach("photo.jpeg", "image/jpeg"),
        attach("macro.docm", ALLOWED_TYPES["docx"]),
        attach("drawing.svg", "text/plain"),
        attach("notes.txt", None),
    ],
    "content.postal-address-missing": [{"has_postal_address": False}, {"has_postal_address": None}],
    "content.unsubscribe-link-missing": [{"has_unsubscribe_link": False}, {"has_unsubscribe_link": None}],
    "hipaa.feature-ineligible": [
        *({"account_baa_status": status} for status in ("pending", "active", "suspended", "ended", "", None, "None")),
        {"lane": "hipaa", "account_baa_status": "active"},
        {"feature": "campaign.test-send", "account_baa_status": "active"},
    ],
    "hipaa.lane-mismatch": [{"lane": "hipaa", "feature": "hipaa.send"}, {"lane": "hipaa", "feature": "hipaa.endpoint"}],
    "hipaa.tracking-ineligible": [
        {"lane": "hipaa", "tracks": True},
        {"account_baa_status": "active", "tracks": True},
        {"account_baa_status": "ended", "tracks": None},
        {"lane": "hipaa", "tracks": "no"},
    ],
    "message.too-large": [{"message_bytes": MAX_BYTES + 1}, {"message_bytes": None}, {"message_bytes": float("nan")}],
    "recipient.list-unsubscribed": [{"recipient_block": "list-unsubscribed"}],
    "recipient.too-often": [{"recipient_block": "too-often"}],
    "recipient.authorization-revoked": [{"recipient_block": "revoked-auth"}],
    "recipient.restriction": [{"recipient_block": "restriction"}],
    "recipient.no-email": [{"recipient_block": "no-email"}],
    "recipient.not-authorized": [{"recipient_block": "not-authorized"}],
    "recipient.not-looked-up": [{"recipient_block": None}],
    "recipient.suppressed": [{"recipient_block": "suppressed"}, {"recipient_block": "a reason of next year"}],
    "recipient.unsubscribed": [{"recipient_block": "unsubscribed"}],
    "sender.dmarc-missing": [
        {"lane": "hipaa", "account_baa_status": "active", "feature": feature, "sender_dmarc": fault}
        for feature in ("hipaa.send", "hipaa.endpoint")
        for fault in (None, "The DMARC record is not published.")
    ],
    "sender.domain-unverified": [
        {"sender_domain_verified": False},
        {"sender_domain_verified": None},
        {"sender_domain_verified": "no"},
    ],
}
CASES = [
    pytest.param(rule_id, change, id=f"{rule_id}-{number}")
    for rule_id, changes in BLOCKED.items()
    for number, change in enumerate(changes)
]
CHANGES = [change for changes in BLOCKED.values() for change in changes]


def codes(facts: SendFacts) -> list[str]:
    return [finding.code for finding in gate.decide(facts).findings]


def test_every_rule_has_its_cases_here() -> None:
    assert set(BLOCKED) == set(BOOK.rules)


@pytest.mark.parametrize("rule_id", sorted(BLOCKED))
def test_a_rule_passes_a_mail_that_is_in_order(rule_id: str) -> None:
    assert BOOK.rules[rule_id].check(FINE) is None


@pytest.mark.parametrize(("rule_id", "change"), CASES)
def test_a_rule_blocks_what_it_is_for(rule_id: str, change: dict[str, Any]) -> None:
    """MP-01 domain, MP-04 link, LA-01 address, FB-02 complaints, MF-09 and MF-10 file names, evil inputs 16 and 17."""
    verdict = gate.decide(replace(FINE, **change))
    assert not verdict.allowed
    (finding,) = [finding for finding in verdict.findings if finding.code == rule_id]
    assert finding.text.endswith(".")
    assert finding.action.endswith(".")
    assert finding.citation == BOOK.rules[rule_id].citation


# What is under an agreement may not be broadcast at all, tracked or not.
ALONE = [case for case in CASES if not str(case.id).startswith(("attachment.", "hipaa.tracking"))]


@pytest.mark.parametrize(("rule_id", "change"), ALONE)
def test_one_fault_gives_one_finding(rule_id: str, change: dict[str, Any]) -> None:
    assert codes(replace(FINE, **change)) == [rule_id]


def test_transactional_mail_needs_no_unsubscribe_link_and_no_postal_address() -> None:
    facts = replace(FINE, purpose="transactional", has_unsubscribe_link=False, has_postal_address=False)
    assert gate.decide(facts).allowed


def test_ordinary_mail_may_be_tracked() -> None:
    assert gate.decide(replace(FINE, tracks=True)).allowed


def test_the_sandbox_alone_needs_no_verified_domain() -> None:
    assert gate.decide(replace(FINE, transport_kind="sandbox", sender_domain_verified=False)).allowed
    assert codes(replace(FINE, transport_kind="Sandbox", sender_domain_verified=False)) == ["sender.domain-unverified"]


def test_the_preflight_is_told_that_the_sandbox_needs_no_verified_domain() -> None:
    (found,) = gate.list_notes(replace(FINE, transport_kind="sandbox", sender_domain_verified=False))
    assert found.code == "sender.sandbox-needs-no-domain"
    assert gate.list_notes(FINE) == ()


def test_a_message_of_exactly_ten_megabytes_passes() -> None:
    """Evil input 16: it is the encoded message that counts."""
    assert gate.decide(replace(FINE, message_bytes=MAX_BYTES)).allowed


@pytest.mark.parametrize(("extension", "detected"), ALLOWED_TYPES.items())
def test_each_of_the_seven_types_may_be_attached(extension: str, detected: str) -> None:
    assert gate.decide(replace(FINE, **attach(f"Quarter 2.{extension.upper()}", detected))).allowed


@pytest.mark.parametrize(
    "name", ["annual.report.v1.2.pdf", "Žemėlapis, 2026 (galutinis).pdf", "résumé.pdf", "報告.pdf"]
)
def test_an_ordinary_file_name_passes(name: str) -> None:
    """MF-10."""
    assert gate.decide(replace(FINE, **attach(name))).allowed


def test_a_finding_about_an_attachment_does_not_name_the_file() -> None:
    fine, bad = FINE.attachments[0], AttachmentFacts("Jonas Jonaitis HIV.exe", None, 1)
    finding = gate.decide(replace(FINE, attachments=(fine, bad))).findings[0]
    assert finding.text.startswith("Attachment 2 ")
    assert "Jonas" not in repr((finding, bad))


def test_the_gate_answers_a_campaign_before_any_recipient_is_known() -> None:
    facts = replace(FINE, recipient_block="", has_postal_address=False)
    assert codes(facts) == ["content.postal-address-missing"]


def test_equal_facts_share_a_digest_and_others_do_not() -> None:
    assert replace(FINE).digest() == FINE.digest()
    others = {replace(FINE, **change) for change in CHANGES}
    assert len({facts.digest() for facts in (FINE, *others)}) == len(others) + 1


def test_findings_are_plain_values() -> None:
    assert Finding("a.b", "Text.", "Action.") == Finding("a.b", "Text.", "Action.", "")
