"""Addresses: one gate, one key (standards.md §4; evil inputs 6 and 8)."""

import re
import unicodedata
from pathlib import Path
from uuid import UUID
from xml.etree import ElementTree

import pytest
from django.conf import settings
from hypothesis import given
from hypothesis import settings as tuned
from hypothesis import strategies as st

from campaigns import addresses, tokens
from campaigns.errors import AddressError

ACCOUNT, OTHER = UUID(int=1), UUID(int=2)
CORPORA = settings.BASE_DIR.parent / "shared" / "corpora" / "isemail"
DOMAINS = st.sampled_from(["example.com", "EXAMPLE.com", "bücher.example", "faß.de", "xn--fa-hia.de", "例子.广告"])


def read_cases(verdict: str) -> list[tuple[str, str]]:
    lines = Path(__file__).with_name("data").joinpath("addresses-ours.tsv").read_text("utf-8").splitlines()
    cases = [line.split("\t") for line in lines if not line.startswith("#")]
    return [tuple(cell.encode().decode("unicode_escape") for cell in row[1:]) for row in cases if row[0] == verdict]  # type: ignore[misc]


def read_isemail(category: re.Pattern[str]) -> list[str]:
    """Cases of the public corpora, where they lie; controls are written as U+2400 and up there."""
    found = []
    for file in sorted(CORPORA.glob("*.xml")):
        for test in ElementTree.parse(file).iter("test"):  # noqa: S314 - our own pinned copy
            if category.search(test.findtext("category") or ""):
                text = test.findtext("address") or ""
                found.append("".join(chr(ord(c) - 0x2400) if 0x2400 <= ord(c) <= 0x241F else c for c in text))
    return found


def accepts(text: str) -> bool:
    try:
        addresses.parse(text)
    except AddressError:
        return False
    return True


def key(text: str, account: UUID = ACCOUNT) -> str:
    return tokens.address_key(addresses.parse(text), account=account)


@pytest.mark.parametrize(("text", "mailbox"), read_cases("ok"))
def test_an_address_is_accepted_and_normalised(text: str, mailbox: str) -> None:
    assert addresses.parse(text).mailbox == mailbox


@pytest.mark.parametrize("text", [text for text, _ in read_cases("no")])
def test_what_is_no_address_is_refused(text: str) -> None:
    assert not accepts(text)


def test_no_erroneous_address_of_the_public_corpora_is_accepted_but_for_a_root_dot() -> None:
    assert {text for text in read_isemail(re.compile("ERR$")) if accepts(text)} <= {"test@iana.org."}


def test_the_ordinary_addresses_of_the_public_corpora_are_accepted() -> None:
    refused = {text for text in read_isemail(re.compile("VALID_CATEGORY$")) if not accepts(text)}
    assert refused <= {"test@io"}


def test_a_refusal_never_quotes_the_address() -> None:
    with pytest.raises(AddressError) as caught:
        addresses.parse("secret.person@@example.com")
    assert "secret" not in f"{caught.value}{caught.value.safe_text}{caught.value.action}"
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_an_address_shows_nothing_of_itself_in_a_traceback() -> None:
    assert "secret" not in repr(addresses.parse("secret@example.com"))


def test_case_blanks_width_idn_forms_and_root_dot_are_the_same_person() -> None:
    same = ["Bob@bücher.example", " bob@xn--bcher-kva.example ", "BOB@BÜCHER.EXAMPLE.", "ｂｏｂ@bücher.example"]
    assert len({key(text) for text in same}) == 1


def test_tags_and_dots_are_other_people() -> None:
    assert len({key(text) for text in ("ab@example.com", "a.b@example.com", "ab+news@example.com")}) == 3


def test_fass_and_fasz_are_two_domains() -> None:
    """IN-01: IDNA2008, never the old mapping of ß to ss."""
    assert addresses.parse("x@faß.de").domain == "xn--fa-hia.de"
    assert key("x@faß.de") != key("x@fass.de")


def test_the_same_address_has_another_key_in_another_account() -> None:
    assert key("bob@example.com") != key("bob@example.com", OTHER)


@tuned(deadline=None, max_examples=300)
@given(st.text(min_size=1, max_size=8), DOMAINS)
def test_normalising_twice_changes_nothing(local: str, domain: str) -> None:
    text = f"{local}@{domain}"
    if not accepts(text):
        return
    once = addresses.parse(text)
    for again in (once.mailbox, once.normalized, once.key, f" {text} "):
        assert addresses.parse(again).key == once.key
    assert "\n" not in once.mailbox
    assert unicodedata.is_normalized("NFC", once.key)


@tuned(deadline=None)
@given(st.from_regex(r"[a-z0-9_+-]{1,20}", fullmatch=True), DOMAINS)
def test_case_never_makes_another_person(local: str, domain: str) -> None:
    assert key(f"{local}@{domain}") == key(f"{local.upper()}@{domain}")


@tuned(deadline=None)
@given(st.text(max_size=40))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    accepts(text)
    accepts(f"{text}@example.com")
    accepts(f"x@{text}")
