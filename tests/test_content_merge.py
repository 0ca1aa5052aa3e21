"""Texts with placeholders: whoever substitutes them has the very mail our own wire form carries."""

from __future__ import annotations

import email
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import default

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.content.compile import CompiledVersion
from campaigns.content.draft import Variable, VersionDraft
from campaigns.content.merge import Merged
from campaigns.content.mime import MailFrame, MailRecipient
from campaigns.content.problems import RenderError
from tests.test_content_compile import FOOTER, literals, texts

NOW = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
FRAME = MailFrame("News", "news@example.com", account_name="Acme & Co", postal_address="1 Main St\nVilnius")
NAMES = ("a", "b", "link", "items")
PLACES = (
    '<p title="{{ a }}">{{ a }} and {{ b }}</p><a href="{{ link }}">{{ link }}</a>'
    '<a href="https://example.com/?q={{ a }}">x</a><p style="color:{{ colour }}">{{ a }}</p>' + FOOTER
)


def compile_draft(source: str, *, subject: str = "Hi {{ a }}", kind: str = "html") -> CompiledVersion:
    variables = (*(Variable(name, sample="1") for name in NAMES), Variable("colour", sample="red"))
    return CompiledVersion(VersionDraft(subject, kind, source, variables=variables), digest="d" * 64)


def recipient(values: Mapping[str, object]) -> MailRecipient:
    return MailRecipient("ada@example.net", values, "1@example.com", "https://example.com/u/abc_-9")


def substitute(merged: Merged) -> tuple[str, str, str]:
    """What a provider does, by its documentation: each name is replaced by its value, once."""

    def fill(text: str) -> str:
        return re.sub(r"\{\{(\w+)\}\}", lambda found: merged.values[found[1]], text) if merged.values else text

    return fill(merged.parts.subject), fill(merged.parts.html), fill(merged.parts.text)


def read_wire(version: CompiledVersion, values: Mapping[str, object]) -> tuple[str, str, str]:
    raw = version.mail(FRAME, recipient(values), date=NOW)
    message = email.message_from_bytes(raw, policy=default)
    assert isinstance(message, EmailMessage)

    def body(subtype: str) -> str:
        part = message.get_body((subtype,))
        return "" if part is None else part.get_content().replace("\r\n", "\n")

    return str(message["Subject"]), body("html"), body("plain")


def both(version: CompiledVersion, values: Mapping[str, object]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return substitute(version.merge(FRAME, recipient(values))), read_wire(version, values)


VALUES = {"a": 'O\'Brien & <b>"Söhne"', "b": "two\nlines", "link": "https://example.com/?x=1&y=2", "colour": "#0a7d5c"}


def test_substituting_gives_the_mail_we_would_have_written() -> None:
    merged, wire = both(compile_draft(PLACES), VALUES | {"a": "O'Brien & Söhne"})
    assert merged == wire


def test_a_plain_mail_has_no_html() -> None:
    version = compile_draft("Dear {{ a }},\n{{ unsubscribe_url }}\n", kind="text")
    merged, wire = both(version, {"a": "<Ada> & co"})
    assert merged == wire
    assert merged[1] == ""


def test_mails_of_one_shape_share_their_texts() -> None:
    version = compile_draft(PLACES)
    first, second = (version.merge(FRAME, recipient(VALUES | {"b": b})) for b in ("x", "y"))
    assert first.parts is second.parts
    assert first.values != second.values
    assert "{{" in first.parts.html


def test_a_template_with_logic_has_one_shared_text_for_each_branch() -> None:
    version = compile_draft("<p>{% if b == 'x' %}yes {{ a }}{% else %}no{% endif %}</p>" + FOOTER)
    merged = [version.merge(FRAME, recipient({"a": a, "b": b})) for a, b in (("1", "x"), ("2", "x"), ("3", "y"))]
    assert merged[0].parts is merged[1].parts
    assert merged[0].parts is not merged[2].parts
    for a, b in (("1", "x"), ("3", "y")):
        assert len(set(both(version, {"a": a, "b": b}))) == 1


def test_one_value_in_two_kinds_of_place_is_two_placeholders() -> None:
    merged = compile_draft('<p>{{ a }}<a href="https://example.com/{{ a }}">x</a></p>' + FOOTER).merge(
        FRAME, recipient({"a": "a/b ü"})
    )
    assert {"a/b ü", "a%2Fb%20%C3%BC"} <= set(merged.values.values())


def test_braces_printed_by_the_template_are_a_value_like_any_other() -> None:
    """Evil input 12."""
    merged, wire = both(compile_draft("<p>{{ '{{' }}s0 {{ a }}</p>" + FOOTER), {"a": "Ada"})
    assert merged == wire


@pytest.mark.parametrize("literal", ["{ {{ a }} }", "x{ {{ a }}", "{{ '{' }}{{ a }}{{ '}' }}"])
def test_single_braces_beside_a_value_are_kept(literal: str) -> None:
    merged, wire = both(compile_draft(f"<p>{literal}</p>" + FOOTER), {"a": "Ada"})
    assert merged == wire


@pytest.mark.parametrize("source", ["<p>&#123;&#123;s0&#125;&#125; {{ a }}</p>", "<p>&#123;{{ a }}&#125;</p>"])
def test_a_text_with_braces_of_its_own_is_merged_by_us(source: str) -> None:
    """A provider would take them for a placeholder: this mail shares its texts with nobody."""
    version = compile_draft(source + FOOTER)
    merged = version.merge(FRAME, recipient({"a": "Ada"}))
    assert merged.values == {}
    assert substitute(merged) == read_wire(version, {"a": "Ada"})


def test_a_value_that_is_a_placeholder_stays_a_value() -> None:
    """Evil input 12."""
    merged, wire = both(compile_draft(PLACES), VALUES | {"a": "{{s1}} {{subject}}"})
    assert merged == wire


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({}, "content.value-missing"),
        (VALUES | {"a": "x\x07"}, "content.control-character"),
        (VALUES | {"a": "two\nlines"}, "content.line-break-in-header"),
        (VALUES | {"link": "javascript:alert(1)"}, "content.unsafe-link"),
    ],
)
def test_what_no_mail_may_carry_is_refused_as_on_the_wire(values: Mapping[str, object], code: str) -> None:
    """MF-13, MF-09."""
    version = compile_draft(PLACES)
    for make in (lambda: version.merge(FRAME, recipient(values)), lambda: read_wire(version, values)):
        with pytest.raises(RenderError) as caught:
            make()
        assert caught.value.code == code


@given(
    before=literals,
    after=literals,
    values=st.fixed_dictionaries({"a": texts, "b": texts}),
    statement=st.sampled_from(
        ["{{ a }}{{ b }}", "{ {{a}} }", "{% if a > 'm' %}{{ a }}{% endif %}{{ b }}", "{{ b | upcase }}"]
    ),
)
def test_any_text_and_value_come_through_alike(before: str, after: str, statement: str, values: dict[str, str]) -> None:
    version = compile_draft(f"<p>{before}{statement}{after}</p>{FOOTER}", subject="Hello {{ b }} ")
    try:
        wire = read_wire(version, values)
    except RenderError as error:
        with pytest.raises(RenderError, match=error.code):
            version.merge(FRAME, recipient(values))
        return
    assert substitute(version.merge(FRAME, recipient(values))) == wire
