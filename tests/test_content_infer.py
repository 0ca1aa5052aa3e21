"""Templates nobody declared variables for, and previews of values nobody gave."""

from __future__ import annotations

import pytest

from campaigns.content.compile import CompiledVersion
from campaigns.content.draft import Variable, VersionDraft
from campaigns.content.infer import infer_variables
from campaigns.content.samples import part_of, stand_in
from campaigns.content.versions import check_draft


def draft(source: str, *variables: Variable, subject: str = "Hi") -> VersionDraft:
    return infer_variables(VersionDraft(subject, "html", source, variables=variables))


def shown(source: str) -> str:
    wanted = draft(source)
    return CompiledVersion(wanted, digest=wanted.digest()).preview({}).html


def test_variables_are_the_names_that_are_used_in_their_order() -> None:
    found = draft("<p>{{ b.c }} {{ a }} {% if d %}{{ b }}{% endif %}</p>", subject="{{ z }}")
    assert [variable.name for variable in found.variables] == ["z", "b", "a", "d"]


def test_what_the_template_binds_and_what_we_fill_in_are_none() -> None:
    source = "{% for x in items %}{{ x }}{% endfor %}{% assign y = 1 %}{{ y }}{{ email }}{{ unsubscribe_url }}"
    assert [variable.name for variable in draft(source).variables] == ["items"]


def test_declared_ones_keep_what_was_said_and_unused_ones_go() -> None:
    kept = Variable("a", label="A", sample="1", default="2")
    assert draft("<p>{{ a }}{{ b }}</p>", kept, Variable("c")).variables == (kept, Variable("b"))


def test_a_text_that_cannot_be_read_adds_none_and_is_told_of() -> None:
    found = draft("<p>{{ a b }}</p>", subject="{{ z }}")
    assert [variable.name for variable in found.variables] == ["z"]
    assert "content.syntax" in {problem.code for problem in check_draft(found)}


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("<p>{{ user.name }}</p>", "[user.name]"),
        ("<p>{{ user.address.city }}</p>", "[user.address.city]"),
        ("<p>{% for row in order.rows %}{{ row.price }}{% endfor %}</p>", "[order.rows.price]"),
        ("<p>{% if rows.size > 1 %}{{ rows.first.name }}{% endif %}</p>", "[rows.first.name]"),
    ],
)
def test_a_preview_names_the_parts_of_values_nobody_gave(source: str, text: str) -> None:
    assert text in shown(source)
    assert not [problem for problem in check_draft(draft(source)) if problem.blocking]


def test_only_what_stands_in_has_every_part() -> None:
    assert part_of(stand_in("a"), "b") == "[a.b]"
    assert part_of({"b": 1}, "b") == 1
    assert part_of("text", "b") is part_of({}, "b") is None


def test_a_comparison_nobody_gave_a_sample_for_is_a_warning_and_one_with_a_sample_that_fails_a_fault() -> None:
    source = "<p>{% if age > 17 %}x{% endif %}</p>"
    blocking = {problem.code: problem.blocking for problem in check_draft(draft(source))}
    assert blocking["content.template-failed"] is False
    declared = draft(source, Variable("age", sample="old"))
    assert {problem.code: problem.blocking for problem in check_draft(declared)}["content.template-failed"] is True
