"""MJML compiled with Liquid in place."""

import pytest

from campaigns.content.compile import CompiledVersion
from campaigns.content.draft import Variable, VersionDraft
from campaigns.content.mjml import compile_mjml
from campaigns.content.versions import check_draft

WORDS = "<mjml lang='en'>\n<mj-body>\n<mj-section>\n<mj-column>\n%s\n</mj-column>\n</mj-section>\n</mj-body>\n</mjml>"


def found(source: str) -> list[tuple[str, int | None]]:
    variables = (Variable("name", sample="https://x.example"), Variable("n", sample="1"))
    problems = check_draft(VersionDraft("S", "mjml", source, variables=variables))
    return [(problem.code, problem.line) for problem in problems if problem.blocking]


@pytest.mark.parametrize(
    "kept",
    [
        '{{ name | default: "x" }}',
        "{% if n > 3 %}a{% endif %}",
        "caf\u00e9 \U0001f468\u200d\U0001f469",
        "a &amp; b &nbsp;",
        "x\\y",
    ],
)
def test_text_and_attributes_come_through_as_written(kept: str) -> None:
    """The compiler alone writes such characters in attributes as Rust escapes."""
    html = compile_mjml(WORDS % f"<mj-text>{kept}</mj-text><mj-image src='https://x.example/1.png' alt='{kept}' />")
    assert html.count(kept) == 2


def test_tags_may_stand_between_elements() -> None:
    source = WORDS % (
        "{% if n == '1' %}<mj-text>one</mj-text>{% else %}<mj-button href='{{ name }}'>{{ n }}</mj-button>{% endif %}"
    )
    assert found(source) == []
    draft = VersionDraft("S", "mjml", source, variables=(Variable("name"), Variable("n")))
    compiled = CompiledVersion(draft, digest="d")
    assert compiled.preview({"n": "1"}).text == "one\n"
    assert compiled.preview({"n": "2", "name": "https://a.example"}).text == "2 <https://a.example>\n"


@pytest.mark.parametrize(
    ("inside", "expected"),
    [
        ("<mj-txt>x</mj-txt>", ("content.mjml-unknown", 5)),
        ("<p>x</p>", ("content.mjml-unknown", 5)),
        ("<mj-text>a\n<br>b</mj-text>", ("content.mjml-void", 6)),
        ("<mj-text>a <b>b</mj-text>", ("content.mjml-open", 5)),
        ("<mj-include path='/etc/passwd' />", ("content.mjml-include", 5)),
        ("<mj-text>\n\n<a href={{ name }}>x</a></mj-text>", ("content.mjml-unquoted", 7)),
        ("<mj-raw>\n<style>{{ n }}</style></mj-raw>", ("content.slot-place", 6)),
        ("<mj-text>\n{{ nmae }}</mj-text>", ("content.variable-undeclared", 6)),
    ],
)
def test_mistakes_are_found_with_their_line(inside: str, expected: tuple[str, int]) -> None:
    assert expected in found(WORDS % inside)


@pytest.mark.parametrize(
    "source", ["<p>x</p>", "<mjml><mj-body>", "just words", "<mjml><mj-body></mj-section></mj-body></mjml>"]
)
def test_what_is_no_mjml_is_refused(source: str) -> None:
    assert found(source)


def test_nothing_is_fetched_by_the_mail_of_a_template_without_images() -> None:
    assert "https://" not in compile_mjml(WORDS % "<mj-text>x</mj-text>")
