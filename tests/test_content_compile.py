"""One path to the mail: with and without Liquid per recipient the bytes are the same."""

import email
import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import default
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from campaigns.content.compile import CompiledVersion
from campaigns.content.draft import Variable, VersionDraft
from campaigns.content.mime import MailFrame, MailRecipient
from campaigns.content.problems import RenderError
from campaigns.errors import CampaignError

NOW = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
FRAME = MailFrame("News", "news@example.com", account_name="Acme & Co", postal_address="1 Main St\nVilnius")
FOOTER = '<p>{{ postal_address }} <a href="{{ unsubscribe_url }}">Unsubscribe</a></p>'

texts = st.text(
    st.one_of(
        st.sampled_from("abc .=<>&\"'%{}\n"), st.characters(codec="utf-8", exclude_categories=["Cc", "Zl", "Zp"])
    ),
    min_size=1,
    max_size=90,
)
literals = st.text(st.sampled_from("abc déf.,=%&;-_ \n"), max_size=90)
statements = st.sampled_from(
    [
        "{{ a }}",
        "{{b}}",
        "{{ c.d }}",
        "{{ a | upcase }}",
        '{{ missing | default: "none" }}',
        "{{ n }}",
        "{{ account_name }}",
    ]
)
paragraphs = st.lists(st.one_of(literals, statements), max_size=7)
values = st.fixed_dictionaries({"a": texts, "b": texts, "c": st.fixed_dictionaries({"d": texts}), "n": st.integers()})


def make_draft(source: str, **fields: object) -> VersionDraft:
    names = ("a", "b", "c", "n", "missing", "items")
    variables = tuple(Variable(name, sample="1") for name in names)
    return replace(VersionDraft("Subject", "html", source, variables=variables), **fields)  # type: ignore[arg-type]


def write(draft: VersionDraft, given_values: Mapping[str, object], *, digest: str = "d" * 64) -> bytes:
    recipient = MailRecipient("ada@example.net", given_values, "1@example.com", "https://example.com/u/abc")
    return CompiledVersion(draft, digest=digest).mail(FRAME, recipient, date=NOW)


def parts(raw: bytes) -> tuple[str, str]:
    message = email.message_from_bytes(raw, policy=default)
    assert isinstance(message, EmailMessage)
    found = []
    for subtype in ("plain", "html"):
        body = message.get_body((subtype,))
        assert body is not None
        assert not body.defects
        found.append(body.get_content().replace("\r\n", "\n"))
    return found[0], found[1]


def text_in(html: str) -> str:
    """An oracle that shares nothing with the compiler: what the standard parser reads as text."""
    reader = Words()
    reader.feed(html)
    return words(reader.found)


class Words(HTMLParser):
    found = ""

    def handle_data(self, data: str) -> None:
        self.found += data


def words(text: str) -> str:
    return " ".join(re.split(r"[ \t\n\r\f]+", text)).strip()


@settings(max_examples=80, deadline=None)
@given(paragraphs=st.lists(paragraphs, min_size=1, max_size=4), found=values)
def test_the_compiled_mail_equals_the_mail_rendered_by_liquid(
    paragraphs: list[list[str]], found: dict[str, object]
) -> None:
    body = "\n".join(f'<p title="{{{{ a }}}}">{"".join(bits)}</p>' for bits in paragraphs)
    link = '<a href="https://x.example/{{ a }}?b={{ b }}">{{ a }}</a>'
    draft = make_draft(body + link + FOOTER, preheader="{{ b }}", text_source="{{ a }} {{ n }}\n{{ b }}")
    # A tag that prints nothing sends the same template through Liquid for each recipient.
    forced = replace(draft, source=draft.source + "{% assign nothing = 1 %}")
    assert not CompiledVersion(draft, digest="d").has_logic
    assert CompiledVersion(forced, digest="d").has_logic
    assert write(draft, found) == write(forced, found)


@settings(max_examples=80, deadline=None)
@given(bits=paragraphs, found=values)
def test_a_mail_reads_as_its_template_with_the_values_in_place(bits: list[str], found: dict[str, str]) -> None:
    given_values = {**found, "c.d": found["c"]["d"], "account_name": "Acme & Co"}  # type: ignore[index]
    plain = "".join(bits)
    for name in ("a", "b", "c.d", "n", "account_name"):
        # By hand, one name at a time; placeholders that values bring along are told apart by a mark.
        plain = re.sub(rf"\{{\{{ ?{name} ?\}}\}}", f"\x01{name}\x01", plain)
    plain = plain.replace("{{ a | upcase }}", "\x01A\x01").replace('{{ missing | default: "none" }}', "none")
    expected = re.sub("\x01(.*?)\x01", lambda hit: value_of(hit[1], given_values), plain.replace("&", "and"))
    source = "<p>" + "".join(bit if "{{" in bit else bit.replace("&", "and") for bit in bits) + "</p>"
    _, html = parts(write(make_draft(source), found))
    assert text_in(html) == words(expected)


def value_of(name: str, found: Mapping[str, object]) -> str:
    return str(found["a"]).upper() if name == "A" else str(found[name])


@settings(max_examples=60, deadline=None)
@given(found=values, source=st.lists(st.one_of(literals, statements), max_size=9).map("".join))
def test_a_plain_text_mail_is_the_text_with_the_values_in_place(found: dict[str, object], source: str) -> None:
    draft = make_draft(source + ".", source_kind="text")
    message = email.message_from_bytes(write(draft, found), policy=default)
    assert isinstance(message, EmailMessage)
    assert message.get_content_type() == "text/plain"
    shown = CompiledVersion(draft, digest="d").preview({**found, "missing": "none", "account_name": "Acme & Co"}).text
    assert message.get_content().replace("\r\n", "\n") == shown


@settings(max_examples=40, deadline=None)
@given(found=values)
def test_every_line_of_a_mail_is_short_ascii_between_crlf(found: dict[str, object]) -> None:
    """MF-04, MF-05, MF-06."""
    raw = write(make_draft("<p>{{ a }}\n.{{ b }}\nFrom {{ c.d }} {{ n }}</p>" + FOOTER), found)
    assert raw.isascii()
    assert raw.endswith(b"\r\n")
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)|\0", raw)
    assert all(len(line) <= 76 for line in raw.split(b"\r\n"))


@pytest.mark.parametrize("source", ["{{ a }}", "{{ c.d }}", "{{ c.d.e }}", "{{ a | upcase }}", "{{ items }}"])
@pytest.mark.parametrize(
    "found", [{}, {"a": None}, {"a": "", "c": {}}, {"items": [], "c": "text"}, {"items": {"x": 1}}]
)
def test_what_fails_without_liquid_fails_with_it_alike(source: str, found: dict[str, object]) -> None:
    """MF-13, evil input 15."""
    codes = []
    for extra in ("", "{% assign nothing = 1 %}"):
        with pytest.raises(RenderError) as caught:
            write(make_draft(f"<p>{source}</p>{extra}"), found)
        codes.append((caught.value.code, str(caught.value)))
    assert codes[0] == codes[1]


def test_a_missing_value_names_the_variable_and_no_one_else() -> None:
    """MF-13: this recipient's mail fails with a clear reason."""
    with pytest.raises(CampaignError) as caught:
        write(make_draft("<p>{{ a }} {{ b }}</p>"), {"b": "Ada"})
    assert caught.value.code == "content.value-missing"
    assert "for a " in caught.value.safe_text
    assert "Ada" not in str(caught.value)


@pytest.mark.parametrize(
    ("value", "shown"), [(None, "friend"), ("", "friend"), ("Ada", "Ada"), (0, "0"), (False, "false"), (1.5, "1.5")]
)
def test_a_declared_default_stands_in_for_an_empty_value(value: object, shown: str) -> None:
    """Evil input 15."""
    draft = replace(make_draft("<p>Hi {{ who }}!</p>"), variables=(Variable("who", default="friend"),))
    assert f"Hi {shown}!" in parts(write(draft, {"who": value}))[0]


def test_a_default_in_the_template_works_with_blanks_and_without() -> None:
    """Evil input 15."""
    source = '<p>{{missing|default:"one"}} {{ missing | default: "two" }} {{ a | default: "three" }}</p>'
    assert "one two A" in parts(write(make_draft(source), {"a": "A"}))[0]


def test_values_that_are_not_declared_are_not_there() -> None:
    with pytest.raises(RenderError):
        write(make_draft("<p>{{ secret }}</p>"), {"secret": "x"})


def test_branches_and_loops_decide_what_each_recipient_reads() -> None:
    source = (
        '{% if a == "vip" %}<h1>Hello {{ a }}</h1>{% else %}<p>Hi</p>{% endif %}'
        "<ul>{% for item in items %}<li>{{ forloop.index }}: {{ item.name }}</li>{% endfor %}</ul>"
    )
    compiled = CompiledVersion(make_draft(source), digest="d")
    texts_of = [
        parts(compiled.mail(FRAME, MailRecipient("a@b.example", found, "1@x.example"), date=NOW))[0]
        for found in (
            {"a": "vip", "items": [{"name": "<one>"}, {"name": "two"}]},
            {"a": "x", "items": []},
            {"a": "vip", "items": [{"name": "three"}, {"name": "four"}]},
        )
    ]
    assert texts_of == ["Hello vip\n\n- 1: <one>\n- 2: two\n", "Hi\n", "Hello vip\n\n- 1: three\n- 2: four\n"]


def test_captured_and_assigned_values_are_values() -> None:
    source = (
        "{% capture whole %}{{ a }} & {{ b }}{% endcapture %}{% assign loud = whole | upcase %}"
        '<p title="{{ whole }}">{{ loud }}</p>{% cycle a, b %}'
    )
    text, html = parts(write(make_draft(source), {"a": "<i>", "b": "x"}))
    assert text == "<I> & X\n\n<i>\n"
    assert 'title="&lt;i&gt; &amp; x"' in html


def test_a_recipient_whose_branch_has_no_unsubscribe_link_gets_no_marketing() -> None:
    """MP-04: what the gate was told about the version holds for every mail of it."""
    draft = make_draft(f'{{% if a == "1" %}}{FOOTER}{{% else %}}<p>x</p>{{% endif %}}')
    assert CompiledVersion(draft, digest="d").has_unsubscribe_link
    write(draft, {"a": "1"})
    with pytest.raises(RenderError) as caught:
        write(draft, {"a": "2"})
    assert caught.value.code == "content.unsubscribe-link-lost"


@pytest.mark.parametrize(
    ("source", "link", "address"),
    [
        (FOOTER, True, True),
        ("<p>{{ unsubscribe_url }} {{ postal_address }}</p>", False, True),
        (f'<div style="display: none">{FOOTER}</div>', False, False),
        (f"<div hidden>{FOOTER}</div>", False, False),
        (f"<!--[if mso]>{FOOTER}<![endif]--><p>x</p>", False, False),
        (f"<!-- {FOOTER} --><p>x</p>", False, False),
        ('<a href="{{ unsubscribe_url }}"></a>', False, False),
        ('<a href="{{ unsubscribe_url }}"><img src="https://x.example/u.png" alt="Unsubscribe"></a>', True, False),
        ('<a href="https://x.example/?u={{ unsubscribe_url }}">Unsubscribe</a>', False, False),
        ('<style>.x { display: none }</style><p class="x">{{ postal_address }}</p>', False, False),
        ('<a href="{$unsubscribe}">Unsubscribe</a>', True, False),
    ],
)
def test_only_what_a_reader_can_see_counts_as_link_or_address(source: str, link: bool, address: bool) -> None:
    compiled = CompiledVersion(make_draft(f"<p>Hi</p>{source}"), digest="d")
    assert (compiled.has_unsubscribe_link, compiled.has_postal_address) == (link, address)


def test_a_text_part_of_its_own_must_have_link_and_address_too() -> None:
    compiled = CompiledVersion(make_draft(FOOTER, text_source="Hello"), digest="d")
    assert not compiled.has_unsubscribe_link
    assert not compiled.has_postal_address


def test_the_preheader_is_hidden_at_the_start_of_the_body_only() -> None:
    draft = make_draft("<body><p>Hi</p></body>", preheader="Only & {{ a }}")
    text, html = parts(write(draft, {"a": "<b>"}))
    assert text == "Hi\n"
    assert re.search(r'<body>\s*<div style="display:none[^>]*>\s*Only &amp; &lt;b&gt;\s', html)


def test_an_ordinary_comment_is_not_sent() -> None:
    assert "editors" not in parts(write(make_draft("<p>Hi</p><!-- for the editors: {{ a }} -->"), {}))[1]


def test_a_preview_shows_samples_where_no_value_is_given() -> None:
    draft = replace(make_draft("<p>{{ a }} {{ b }} {{ c }}</p>"), variables=(
        Variable("a", sample="Ada"), Variable("b", default="b?"), Variable("c"),
    ))  # fmt: skip
    shown = CompiledVersion(draft, digest="d").preview({"account_name": "Acme"})
    assert shown.text == "Ada b? [c]\n"


def test_many_threads_get_the_same_bytes() -> None:
    compiled = CompiledVersion(
        make_draft("{% if a == 'x' %}<b>{{ a }}</b>{% endif %}<p>{{ b }}</p>" + FOOTER), digest="d"
    )

    def once(number: int) -> bytes:
        found = {"a": "xy"[number % 2], "b": "B"}
        return compiled.mail(FRAME, MailRecipient("a@b.example", found, "1@x.example", "https://u.example/1"), date=NOW)

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(once, range(200)))) == 2
