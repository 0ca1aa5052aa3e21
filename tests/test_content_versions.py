"""Drafts become immutable versions."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from django.db import connection

from campaigns.content.compile import compile_version
from campaigns.content.draft import draft_of
from campaigns.content.versions import (
    TemplateError,
    TemplateProblem,
    Variable,
    VersionDraft,
    check_draft,
    create_version,
)
from campaigns.models import EmailTemplate, TemplateVersion
from tests.factories import make_account, make_template, make_user

DRAFT = VersionDraft(
    subject="Hi {{ name }}",
    source_kind="html",
    source='<html lang="en"><body><p>Hi {{ name }}</p><p>{{ postal_address }}'
    ' <a href="{{ unsubscribe_url }}">Unsubscribe</a></p></body></html>',
    variables=(Variable("name", label="Name", sample="Ada"),),
)


def problems(draft: VersionDraft, *, blocking: bool) -> list[str]:
    return [problem.code for problem in check_draft(draft) if problem.blocking is blocking]


@pytest.mark.django_db
def test_a_draft_becomes_a_numbered_version_with_a_digest() -> None:
    account = make_account()
    template, author = make_template(account), make_user(account)
    version = create_version(template, draft=DRAFT, author=author)
    assert (version.number, version.digest, version.created_by) == (1, DRAFT.digest(), author)
    assert draft_of(version) == DRAFT


@pytest.mark.django_db
def test_saving_the_same_draft_again_gives_the_same_version() -> None:
    template = make_template(make_account())
    assert create_version(template, draft=DRAFT) == create_version(template, draft=DRAFT)


@pytest.mark.django_db
def test_a_changed_draft_is_the_next_version_and_leaves_the_first_alone() -> None:
    template = make_template(make_account())
    first = create_version(template, draft=DRAFT)
    second = create_version(template, draft=replace(DRAFT, subject="Other"))
    again = create_version(template, draft=DRAFT)
    assert [first.number, second.number, again.number] == [1, 2, 3]
    first.refresh_from_db()
    assert first.subject == "Hi {{ name }}"


@pytest.mark.django_db
def test_a_draft_with_problems_is_refused_with_all_of_them() -> None:
    template = make_template(make_account())
    with pytest.raises(TemplateError) as caught:
        create_version(template, draft=replace(DRAFT, source="<p>{{ a }}\n{{ b }}</p>", subject=""))
    assert {problem.code for problem in caught.value.problems} == {"content.subject-empty"}
    with pytest.raises(TemplateError) as caught:
        create_version(template, draft=replace(DRAFT, source="<p>{{ a }}\n{{ b }}</p>"))
    assert [(p.code, p.line) for p in caught.value.problems] == [
        ("content.variable-undeclared", 1), ("content.variable-undeclared", 2),
    ]  # fmt: skip
    assert not template.versions.exists()


@pytest.mark.django_db(transaction=True)
def test_saves_at_the_same_time_get_numbers_of_their_own() -> None:
    template = make_template(make_account())

    def save(number: int) -> int:
        try:
            own = EmailTemplate.objects.get(pk=template.pk)
            return create_version(own, draft=replace(DRAFT, subject=f"Subject {number}")).number
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(save, range(8))) == list(range(1, 9))


@pytest.mark.django_db
def test_a_compiled_version_is_kept_by_digest() -> None:
    version = create_version(make_template(make_account()), draft=DRAFT)
    assert compile_version(version) is compile_version(TemplateVersion.objects.get(pk=version.pk))
    assert compile_version(version).digest == version.digest


def test_a_good_draft_has_no_problems() -> None:
    assert check_draft(DRAFT) == ()


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"subject": " "}, "content.subject-empty"),
        ({"source": ""}, "content.source-empty"),
        ({"subject": "a\nb"}, "content.line-break"),
        ({"preheader": "x" * 301}, "content.too-long"),
        ({"source": "a\0b"}, "content.reserved-character"),
        ({"source": "a\U000f0001b"}, "content.reserved-character"),
        ({"source_kind": "word"}, "content.kind-unknown"),
        ({"variables": (Variable("first name"),)}, "content.variable-name"),
        ({"variables": (Variable("name"), Variable("name"))}, "content.variable-twice"),
        ({"variables": (Variable("email"),)}, "content.variable-reserved"),
        ({"variables": ()}, "content.variable-undeclared"),
        ({"source": '<a href="javascript:alert(1)">x</a>'}, "content.unsafe-link"),
        ({"source": '<a href=" java&#115;cript:alert(1)">x</a>'}, "content.unsafe-link"),
        ({"source": '<a href="java\nscript&Tab;:alert(1)">x</a>'}, "content.unsafe-link"),
        ({"source": '<!--[if mso]><v:rect href="https://good\\@evil.example"><![endif]-->x'}, "content.unsafe-link"),
        ({"source": '<base href="https://x.example">'}, "content.base"),
        ({"source": "<script>x</script>"}, "content.script"),
    ],
)
def test_a_draft_that_cannot_be_sent_is_refused(change: dict[str, object], code: str) -> None:
    assert code in problems(replace(DRAFT, **change), blocking=True)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"source": '<p>{{ name }}</p><img src="https://x.example/a.png">'}, "content.alt-missing"),
        ({"source": "<html><body>x</body></html>"}, "content.lang-missing"),
        ({"source": "<p>x</p>", "subject": "x"}, "content.variable-unused"),
        ({"variables": (Variable("name"),)}, "content.variable-sample"),
        ({"source": "<p>x</p>"}, "content.unsubscribe-missing"),
        ({"source": "<p>x</p>"}, "content.postal-address-missing"),
        ({"source": "{$unsubscribed}"}, "content.placeholder-unknown"),
        ({"source": "<p>" + "x" * 91 * 1024 + "</p>"}, "content.nearly-too-big"),
        ({"source": "<p>" + "x" * 103 * 1024 + "</p>"}, "content.too-big"),
    ],
)
def test_what_is_worth_a_look_does_not_stop_a_save(change: dict[str, object], code: str) -> None:
    """MP-11 for the size."""
    draft = replace(DRAFT, **change)  # type: ignore[arg-type]
    assert code in problems(draft, blocking=False)
    assert problems(draft, blocking=True) == []


def test_problems_are_sentences_for_people() -> None:
    bad = replace(DRAFT, source="<base href='x'><p onclick='{{ name }}'>{{ x }}", subject="{{ y }}")
    for problem in check_draft(bad):
        assert isinstance(problem, TemplateProblem)
        assert problem.text[0].isupper() or problem.text.split()[0] in {"x", "y", "name"} or problem.text[0] == "<"
        assert problem.text.endswith(".")
        assert problem.action.endswith((".", "it to."))


def test_the_digest_covers_everything() -> None:
    changes: list[dict[str, object]] = [
        {"subject": "x"}, {"preheader": "x"}, {"source": "x"}, {"text_source": "x"}, {"source_kind": "mjml"},
        {"variables": (Variable("name", label="Name", sample="Ada", default=""),)},
    ]  # fmt: skip
    digests = {replace(DRAFT, **change).digest() for change in changes}  # type: ignore[arg-type]
    assert len(digests | {DRAFT.digest()}) == len(changes) + 1
