"""Values of recipients stand in what is read and nowhere else, and previews show made-up ones (hipaa.md S13, B31, §3.4)."""

from __future__ import annotations

import pytest

from campaigns.content.draft import Variable, VersionDraft
from campaigns.content.loading import find_loaded, find_loaded_by
from campaigns.content.placement import Misplaced, find_misplaced, find_unused, links_to_browser
from campaigns.content.synthetic import KINDS, ROWS, is_shaped, sample_values

DX = (Variable("dx"),)


def draft(source: str = "<p>{{ dx }}</p>", **parts: str) -> VersionDraft:
    return VersionDraft(
        subject=parts.pop("subject", "A message"),
        source_kind=parts.pop("kind", "html"),
        source=source,
        variables=DX,
        **parts,
    )


@pytest.mark.parametrize(
    ("version", "field"),
    [
        (draft(subject="About {{ dx }}"), "subject"),
        (draft(subject="{% if dx == 'hiv' %}Urgent{% endif %}"), "subject"),
        (draft(preheader="{{ dx }}"), "preheader"),
        (draft(subject="For {{ email }}"), "subject"),
        (draft('<a href="https://example.org/?for={{ email }}">x</a>'), "html"),
        (draft('<a href="https://example.org/{{ dx }}">x</a>'), "html"),
        (draft('<a href="https://example.org/?q={{ dx | upcase }}">x</a>'), "html"),
        (draft('{% assign where = dx %}<a href="https://example.org/{{ where }}">x</a>'), "html"),
        (draft('<img src="cid:x" alt="{{ dx }}">'), "html"),
        (draft("<p>x</p>", text_source="See https://example.org/{{ dx }}"), "text"),
        (draft("See https://example.org/?a={{ dx }}", kind="text"), "text"),
    ],
)
def test_a_value_outside_of_what_is_read_is_found(version: VersionDraft, field: str) -> None:
    assert {found.field for found in find_misplaced(version)} == {field}


def test_a_link_that_depends_on_a_value_is_found() -> None:
    assert find_misplaced(draft('<a href="https://example.org/{% if dx %}a{% endif %}">x</a>')) == [
        Misplaced("", "html")
    ]


def test_values_in_the_body_and_our_own_links_are_fine() -> None:
    source = '<p>{% if dx %}{{ dx }}{% endif %} <a href="{{ unsubscribe_url }}">out</a> {{ account_name }}</p>'
    assert find_misplaced(draft(source, text_source="{{ dx }}: see https://example.org/ {{ dx }}")) == []


def test_a_link_to_the_mail_in_the_browser_is_found() -> None:
    """S8, S11."""
    assert links_to_browser(draft('<a href="{{ browser_url }}">x</a> {{ dx }}'))
    assert not links_to_browser(draft())


@pytest.mark.parametrize(
    "html",
    [
        '<img src="cid:a" srcset="cid:b 1x, https://x.test/a.png 2x">',
        "<img src='//x.test/a.png'>",
        r'<img src="\\x.test\a.png">',
        '<img src="ht\ntps://x.test/a.png">',
        '<!--[if mso]><v:fill src="https://x.test/a.png"/><![endif]-->',
        '<svg><image xlink:href="https://x.test/a.png"/></svg>',
        '<base href="https://x.test/"><img src="a.png">',
        '<meta http-equiv="Refresh" content="0; url=https://x.test/">',
        '<link rel="stylesheet" href="https://x.test/a.css">',
        "<style>@import/**/'https://x.test/a.css';</style>",
        "<style>p{background:image-set('cid:a' 1x, 'https://x.test/a.png' 2x)}</style>",
        r'<p style="background:url(\68ttps://x.test/a.png)">x</p>',
        '<table background="https://x.test/a.png"></table>',
        '<script src="https://x.test/a.js"></script>',
    ],
)
def test_what_opening_the_mail_would_load_is_found_however_it_is_written(html: str) -> None:
    """S6, B26."""
    (found,) = find_loaded(f"<p>\n</p>{html}")
    assert ("x.test" in found.url, found.line >= 2) == (True, True)


def test_links_and_pictures_in_the_mail_itself_load_nothing() -> None:
    button = '<!--[if mso]><v:roundrect href="https://x.test/"></v:roundrect><![endif]-->'
    assert not find_loaded(
        f'{button}<a href="https://x.test/">x</a><img src="cid:a"><img src="data:image/png;base64,//8=">'
    )
    mjml = "<mjml><mj-body><mj-section{}><mj-column><mj-button href='https://x.test/'>x</mj-button></mj-column></mj-section></mj-body></mjml>"
    assert not find_loaded_by(draft(mjml.format(""), kind="mjml"))
    assert find_loaded_by(draft(mjml.format(" background-url='https://x.test/a.png'"), kind="mjml"))


def test_only_a_still_picture_at_ones_own_domain_is_let_through() -> None:
    own = frozenset({"clinic.test"})
    for html, expected in (
        ('<img src="https://clinic.test/logo.png">', True),
        ('<img src="https://clinic.test/logo.png?r=1">', False),
        ('<img src="https://clinic.test/{{ dx }}.png">', False),
        ('<img src="http://clinic.test/logo.png">', False),
        ('<img src="https://x.test/logo.png">', False),
        ('<iframe src="https://clinic.test/page"></iframe>', False),
    ):
        (found,) = find_loaded(html)
        assert found.is_still_picture_at(own) == expected, html


def test_what_is_declared_and_not_used_is_found() -> None:
    """45 CFR 164.514(d): no more than necessary."""
    assert find_unused(draft("<p>x</p>")) == ["dx"]
    assert find_unused(draft("<p>{% if dx %}x{% endif %}</p>")) == []


def test_samples_are_the_same_for_everybody_and_look_like_what_they_are() -> None:
    variables = [{"name": kind, "kind": kind} for kind in KINDS]
    for row in ROWS:
        assert sample_values(variables, row=row) == sample_values(variables, row=row)
    for name, value in sample_values(variables, row="typical").items():
        assert is_shaped(value, kind=name)


@pytest.mark.parametrize(
    ("kind", "value"),
    [("text", "<b>"), ("name", "a\nb"), ("date", "soon"), ("number", "x"), ("amount", "much"), ("nonsense", "1")],
)
def test_a_value_that_is_not_what_it_is_declared_to_be_is_noticed(kind: str, value: str) -> None:
    assert not is_shaped(value, kind=kind)
