"""The template language: what it may do, and where it stops."""

import time

import pytest

from campaigns.content.compile import CompiledVersion
from campaigns.content.draft import Variable, VersionDraft
from campaigns.content.problems import RenderError, TemplateProblem
from campaigns.content.versions import check_draft


def check(source: str, *, subject: str = "S") -> list[TemplateProblem]:
    draft = VersionDraft(subject, "html", source, variables=(Variable("name", sample="Ada"),))
    return [problem for problem in check_draft(draft) if problem.blocking]


def found(source: str) -> list[tuple[str, int | None]]:
    return [(problem.code, problem.line) for problem in check(source)]


@pytest.mark.parametrize(
    "tag", ["include 'x'", "render 'x'", "extends 'x'", "block x", "tablerow i in name", "ifchanged", "liquid", "macro x",
            "increment i", "layout 'x'"],
)  # fmt: skip
def test_tags_that_load_or_print_on_their_own_are_not_available(tag: str) -> None:
    """Evil input 14."""
    assert found(f"<p>\n{{% {tag} %}}</p>") == [("content.syntax", 2)]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("<p>a\nb {{ name</p>", [("content.syntax", 2)]),
        ("a\n\n{% if name %}b", [("content.syntax", None)]),
        ("a\n{{ nmae }}\n{{ other }}", [("content.variable-undeclared", 2), ("content.variable-undeclared", 3)]),
        ("a\n{{ name | shout }}", [("content.filter-unknown", 2)]),
        ("a\n{{ name | escape }}", [("content.filter-unknown", 2)]),
        ("a {{ now }}", [("content.variable-undeclared", 1)]),
        ("a\n{$browserlink}", []),
        ("{% assign unsubscribe_url = name %}", [("content.variable-reserved", None)]),
        ("{% for email in name %}{{ email }}{% endfor %}", [("content.variable-reserved", None)]),
        ("a\n{% assign x = (1..9) | join %}", [("content.syntax", 2)]),
        ("{% if (1..999999999) contains 'x' %}{% endif %}", [("content.syntax", 1)]),
    ],
)
def test_mistakes_are_found_at_save_with_their_line(source: str, expected: list[tuple[str, int | None]]) -> None:
    assert found(source) == expected


def test_mistakes_in_the_subject_are_found_too() -> None:
    assert [(p.field, p.code) for p in check("<p>x</p>", subject="Hi {{ nam }}")] == [
        ("subject", "content.variable-undeclared")
    ]


@pytest.mark.parametrize(
    "source",
    [
        "{% for i in (1..1000000000) %}x{% endfor %}",
        "{% for i in (1..9999) %}{% for j in (1..9999) %}x{% endfor %}{% endfor %}",
        "{% for i in (1..10000) %}" + "x" * 1000 + "{% endfor %}",
        "{% assign s = 'ab' %}{% for i in (1..9999) %}{% assign s = s | append: s %}{% endfor %}",
        "{% assign n = 7 %}{% for i in (1..9999) %}{% assign n = n | times: n %}{% endfor %}",
        "{% assign s = 'abababab' %}{% for i in (1..13) %}{% assign s = s | append: s %}{% endfor %}{{ s | replace: '', s }}",
        "{% capture s %}{% for i in (1..9999) %}" + "y" * 1000 + "{% endfor %}{% endcapture %}",
        "{% for i in (1..9999) %}{% for j in (1..2) %}{{ j }}{% endfor %}{% endfor %}",
    ],
)
def test_templates_that_are_too_much_work_stop_with_a_clear_error(source: str) -> None:
    """Evil input 14: the worker survives, the error comes at save."""
    start = time.process_time()
    assert [problem.code for problem in check(source)] == ["content.limit"]
    assert time.process_time() - start < 10


def test_deep_nesting_is_refused() -> None:
    """Evil input 14."""
    source = "{% if name %}" * 60 + "x" + "{% endif %}" * 60
    assert [problem.code for problem in check(source)] == ["content.syntax"]


def test_a_number_of_thousands_of_digits_fails_for_the_recipient_only() -> None:
    source = "{% assign n = 7 %}{% for i in (1..15) %}{% assign n = n | times: n %}{% endfor %}{{ n }}"
    draft = VersionDraft("S", "html", source)
    with pytest.raises(RenderError) as caught:
        CompiledVersion(draft, digest="d").preview({})
    assert caught.value.code == "content.template-failed"


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{{ name | upcase }}", "ADA"),
        ("{{ name | downcase | capitalize }}", "Ada"),
        ("{{ name | append: '!' | prepend: '?' }}", "?Ada!"),
        ("{{ name | truncate: 2, '' }}", "Ad"),
        ("{{ 'now' | date: '%Y' | size }}", "4"),
        ("{{ '2026-11-23' | date: '%d.%m.%Y' }}", "23.11.2026"),
        ("{{ 'a,b' | split: ',' | join: ' and ' }}", "a and b"),
        ("{{ '7' | plus: 1 }}", "8"),
        ("{% unless name == 'Bo' %}not Bo{% endunless %}", "not Bo"),
        ("{% case name %}{% when 'Ada' %}A{% else %}B{% endcase %}", "A"),
        ("{% raw %}{{ name }}{% endraw %}", "{{ name }}"),
        ("{% comment %}{{ name }}{% endcomment %}x", "x"),
        ("{% echo name %}", "Ada"),
        ("{{- name -}} !", "Ada!"),
        ("{{ name }}{% # a note %}", "Ada"),
    ],
)
def test_common_filters_and_tags_work(source: str, text: str) -> None:
    draft = VersionDraft("S", "text", source, variables=(Variable("name", sample="Ada"),))
    assert [problem for problem in check_draft(draft) if problem.blocking] == []
    assert CompiledVersion(draft, digest="d").preview({}).text == f"{text}\n"


def test_a_missing_value_may_be_asked_for_in_a_condition() -> None:
    draft = VersionDraft(
        "S", "text", "{% if name %}Hi {{ name }}{% else %}Hi{% endif %}", variables=(Variable("name", default=""),)
    )
    compiled = CompiledVersion(draft, digest="d")
    assert compiled.preview({"name": "Ada"}).text == "Hi Ada\n"


def test_the_error_of_a_recipient_quotes_no_value() -> None:
    draft = VersionDraft("S", "text", "{% if name > 5 %}x{% endif %}", variables=(Variable("name", sample="1"),))
    with pytest.raises(RenderError) as caught:
        CompiledVersion(draft, digest="d").preview({"name": "Secret Person"})
    assert "Secret" not in str(caught.value)
    assert caught.value.__cause__ is None
