"""Values cannot harm: each place of a mail encodes them in its own way (evil inputs 9, 12, 13)."""

import email
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import default
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.content.compile import CompiledVersion, Preview
from campaigns.content.draft import Variable, VersionDraft
from campaigns.content.mime import MailFrame, MailRecipient
from campaigns.content.problems import RenderError
from campaigns.content.versions import check_draft


def show(source: str, *, kind: str = "html", **values: object) -> Preview:
    draft = VersionDraft("S", kind, source, variables=(Variable("v", sample="x"), Variable("w", sample="x")))
    return CompiledVersion(draft, digest=draft.digest()).preview(values)


def problems_of(source: str, *, kind: str = "html") -> set[str]:
    draft = VersionDraft("S", kind, source, variables=(Variable("v", sample="https://example.com"),))
    return {problem.code for problem in check_draft(draft) if problem.blocking}


class Reader(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: dict[str, str | None] = {}
        self.data = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= dict(attrs)

    def handle_data(self, data: str) -> None:
        self.data += data


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Zl", "Zp"]), min_size=1, max_size=60))
def test_a_value_in_text_is_text_and_nothing_else(value: str) -> None:
    read = Reader(show("<p>{{ v }}</p>", v=value).html)
    assert read.tags == ["html", "head", "body", "p"]
    assert value in read.data


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Zl", "Zp"]), min_size=1, max_size=60))
def test_a_value_in_an_attribute_stays_in_it(value: str) -> None:
    read = Reader(show("<p title='a {{ v }} b'>x</p>", v=value).html)
    assert read.tags == ["html", "head", "body", "p"]
    assert read.attributes == {"title": f"a {value} b"}


@pytest.mark.parametrize(
    "value", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "</title><b>", "&lt;"]
)
def test_html_in_a_value_is_shown_as_written(value: str) -> None:
    """Evil input 13."""
    shown = show("<title>{{ v }}</title><p>{{ v }}</p>", v=value)
    assert value not in shown.html
    assert value in shown.text


@pytest.mark.parametrize("value", ["{{ settings.SECRET_KEY }}", "{% include 'x' %}", "${7*7}", "{{ email }}"])
def test_a_value_is_never_a_template(value: str) -> None:
    """Evil input 12: no second pass."""
    shown = show("{% capture c %}{{ v }}{% endcapture %}<p>{{ v }} {{ c }}</p>", v=value)
    assert shown.text.count(value) == 2


@pytest.mark.parametrize(
    "value",
    ["javascript:alert(1)", "JaVaScRiPt:alert(1)", " javascript:x", "java\tscript:x", "data:text/html,x", "vbscript:x",
     "//evil.example", "evil", "file:///etc/passwd", "https://"],
)  # fmt: skip
def test_a_link_made_of_a_value_must_be_http_mailto_or_tel(value: str) -> None:
    """Evil input 13: refused for this recipient, never sent."""
    with pytest.raises(RenderError) as caught:
        show("<a href='{{ v }}'>x</a>", v=value)
    assert caught.value.code in {"content.unsafe-link", "content.control-character"}
    assert value not in str(caught.value)


@pytest.mark.parametrize(
    "value", ["https://x.example/a?b=1&c=%20d#e", "HTTP://x.example", "mailto:a@b.example", "tel:+3706"]
)
def test_a_whole_link_keeps_its_own_encoding(value: str) -> None:
    assert Reader(show("<a href='{{ v }}'>x</a>", v=value).html).attributes == {"href": value}


def test_a_link_with_letters_beyond_ascii_is_percent_encoded() -> None:
    shown = show("<a href='{{ v }}'>x</a>", v="https://x.example/ą\"'")
    assert 'href="https://x.example/%C4%85%22&#x27;"' in shown.html
    assert "<https://x.example/%C4%85%22'>" in shown.text


def test_a_value_inside_a_link_cannot_add_parts_to_it() -> None:
    shown = show("<a href='https://x.example/{{ v }}?q={{ w }}'>x</a>", v="../a/b?c", w="1&admin=1#é")
    expected = "https://x.example/..%2Fa%2Fb%3Fc?q=1%26admin%3D1%23%C3%A9"
    assert f'href="{expected}"' in shown.html
    assert f"<{expected}>" in shown.text


def test_a_mail_link_keeps_the_at_sign() -> None:
    assert 'href="mailto:a%3Fcc@b.example"' in show("<a href='mailto:{{ v }}'>x</a>", v="a?cc@b.example").html


def test_a_second_value_in_a_link_is_only_a_part() -> None:
    shown = show("<a href='{{ v }}{{ w }}'>x</a>", v="https://x.example/", w="javascript:1")
    assert 'href="https://x.example/javascript%3A1"' in shown.html


def test_a_colour_may_be_a_value() -> None:
    assert "color: #0a7d5c" in show("<p style='color: {{ v }}'>x</p>", v="#0a7d5c").html


@pytest.mark.parametrize("value", ["red;position:fixed", "url(https://evil)", "expression(1)", '"'])
def test_other_css_in_a_value_is_refused(value: str) -> None:
    with pytest.raises(RenderError) as caught:
        show("<p style='color: {{ v }}'>x</p>", v=value)
    assert caught.value.code == "content.unsafe-style"


def test_a_value_in_an_outlook_button_is_encoded_too() -> None:
    source = '<!--[if mso]><v:rect href="https://x.example/{{ v }}"><b>{{ w }}</b></v:rect><![endif]--><p>x</p>'
    html = show(source, v='"><x>--><b>', w="--><script>").html
    assert html.count("-->") == 1
    assert "<script>" not in html


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("<p {{ v }}>x</p>", "content.slot-place"),
        ("<p data-{{ v }}='1'>x</p>", "content.slot-place"),
        ("<h{{ v }}>x</h1>", "content.slot-place"),
        ("<a href={{ v }}>x</a>", "content.slot-unquoted"),
        ("<p title=a{{ v }}>x</p>", "content.slot-unquoted"),
        ("<style>p { color: {{ v }} }</style>", "content.slot-place"),
        ("<p onclick='{{ v }}'>x</p>", "content.slot-place"),
        ("<iframe srcdoc='{{ v }}'></iframe>", "content.slot-place"),
        ("<img alt='' srcset='{{ v }} 2x'>", "content.slot-place"),
        ("<meta http-equiv='refresh' content='0;{{ v }}'>", "content.slot-place"),
        ("<a href='java{{ v }}'>x</a>", "content.link-scheme"),
        ("<a href='/{{ v }}'>x</a>", "content.link-scheme"),
    ],
)
def test_a_placeholder_in_a_place_without_a_safe_encoding_is_refused_at_save(source: str, code: str) -> None:
    assert problems_of(source) == {code}
    assert code in problems_of("{% if v == 'other' %}" + source + "{% endif %}"), "in a branch no sample takes"


def test_a_script_is_refused_at_save() -> None:
    assert "content.script" in problems_of("<script>var a = '{{ v }}';</script>")


@pytest.mark.parametrize("value", ["a\0b", "a\x08b", "a\x1bb", "a\x7fb"])
def test_control_characters_in_a_value_are_refused(value: str) -> None:
    """Evil input 9."""
    with pytest.raises(RenderError) as caught:
        show("<p>{{ v }}</p>", v=value)
    assert caught.value.code == "content.control-character"


def test_line_breaks_in_a_value_become_line_breaks() -> None:
    raw = write_text("{{ v }}!", v="a\r\nb\rc\u2028.\nFrom d")
    message = email.message_from_bytes(raw, policy=default)
    assert isinstance(message, EmailMessage)
    assert message.get_content() == "a\r\nb\r\nc\r\n.\r\nFrom d!\r\n"


def test_a_line_break_in_the_subject_is_refused() -> None:
    """MF-09."""
    draft = VersionDraft("Hi {{ v }}", "text", "x", variables=(Variable("v"),))
    with pytest.raises(RenderError) as caught:
        CompiledVersion(draft, digest=draft.digest()).preview({"v": "Bob\r\nBcc: v@x"})
    assert caught.value.code == "content.line-break-in-header"


def write_text(source: str, **values: object) -> bytes:
    draft = VersionDraft("S", "text", source, variables=(Variable("v"),))
    recipient = MailRecipient("ada@example.net", values, "1@example.com")
    compiled = CompiledVersion(draft, digest=draft.digest())
    return compiled.mail(MailFrame("News", "news@example.com"), recipient, date=datetime.now(UTC))
