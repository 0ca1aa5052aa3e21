"""Nobody gets another account's things; a stranger cannot even tell that they exist (evil input 40)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.contrib.auth.models import AnonymousUser
from django.utils import timezone

from campaigns.accounts import tenancy
from campaigns.errors import NotFound
from campaigns.models import (
    Account,
    ImportJob,
    Message,
    SandboxMail,
    Submission,
    TemplateAttachment,
    Transport,
    TransportPool,
    UploadedContent,
)
from campaigns.numbers import number_of
from tests import factories

pytestmark = pytest.mark.django_db
NOW = timezone.now


def make_submission(account: Account) -> Submission:
    return Submission.objects.create(
        account=account,
        door="test",
        purpose="marketing",
        transport=Transport.objects.get(account=account),
        send_at=NOW(),
        valid_until=NOW() + timedelta(days=2),
    )


def make_message(account: Account) -> Message:
    submission = make_submission(account)
    return Message.objects.create(
        submission=submission, recipient="ada@example.com", address_key="k" * 43, next_attempt_at=NOW()
    )


def make_import(account: Account) -> ImportJob:
    return ImportJob.objects.create(account=account, list=factories.make_list(account), filename="people.csv")


def make_sandbox_mail(account: Account) -> SandboxMail:
    return SandboxMail.objects.create(
        account=account, message_id=uuid4(), recipient="ada@example.com", raw=b"", received_at=NOW()
    )


def make_domain(account: Account) -> Any:
    return factories.make_sender(account).domain


def make_attachment(account: Account) -> TemplateAttachment:
    template = factories.make_template(account)
    return TemplateAttachment.objects.create(template=template, name="a.txt", size=1, data_sealed=b"x")


def make_upload(account: Account) -> UploadedContent:
    return UploadedContent.objects.create(account=account, name="a.txt", size=1, data_sealed=b"x", expires_at=NOW())


# Every access function, and how to make what it gives access to.
ACCESS: dict[Callable[[Account, str | UUID], Any], Callable[[Account], Any]] = {
    tenancy.access_api_key: lambda account: factories.make_api_key(account)[0],
    tenancy.access_campaign: factories.make_campaign,
    tenancy.access_contact: factories.make_contact,
    tenancy.access_domain: make_domain,
    tenancy.access_import: make_import,
    tenancy.access_landing_page: factories.make_landing_page,
    tenancy.access_list: factories.make_list,
    tenancy.access_message: make_message,
    tenancy.access_pool: lambda account: TransportPool.objects.create(account=account, name="Fast"),
    tenancy.access_sandbox_mail: make_sandbox_mail,
    tenancy.access_sender: factories.make_sender,
    tenancy.access_submission: make_submission,
    tenancy.access_template: factories.make_template,
    tenancy.access_template_attachment: make_attachment,
    tenancy.access_transport: lambda account: Transport.objects.get(account=account),
    tenancy.access_upload: make_upload,
    tenancy.access_version: factories.make_version,
}
# The same for what wires name by a number.
NUMBERED: dict[Callable[[Account, int], Any], Callable[[Account], Any]] = {
    tenancy.access_domain_by_number: make_domain,
    tenancy.access_template_by_number: factories.make_template,
}
MALFORMED = ["", "7", "not-an-id", "../../etc/passwd", "' OR 1=1 --", "ž" * 36, "\x00" * 32, "\ud800", "0" * 4000]
every_access = pytest.mark.parametrize(("access", "make"), ACCESS.items(), ids=[access.__name__ for access in ACCESS])


def refusal(access: Callable[[Account, Any], Any], account: Account, public_id: str | UUID | int) -> str:
    """All that a stranger sees of a refusal."""
    with pytest.raises(NotFound) as caught:
        access(account, public_id)
    error = caught.value
    return repr((error.code, error.safe_text, error.action, error.status, error.args, str(error)))


def test_every_access_function_is_tested_here() -> None:
    there = {name for name in dir(tenancy) if name.startswith("access_")}
    assert there == {access.__name__ for access in (*ACCESS, *NUMBERED)} | {"access_account", "access_domain_by_name"}


@every_access
def test_an_account_gets_its_own_things(access: Any, make: Any) -> None:
    account = factories.make_account()
    thing = make(account)
    assert access(account, thing.public_id) == thing
    assert access(account, str(thing.public_id)) == thing


@every_access
def test_a_stranger_sees_what_they_would_see_if_the_thing_did_not_exist(access: Any, make: Any) -> None:
    thing = make(factories.make_account())
    stranger = factories.make_account()
    assert refusal(access, stranger, str(thing.public_id)) == refusal(access, stranger, uuid4())


@every_access
def test_a_malformed_id_is_answered_like_an_unknown_one(access: Any, make: Any) -> None:
    account = factories.make_account()
    make(account)
    unknown = refusal(access, account, uuid4())
    assert {refusal(access, account, text) for text in MALFORMED} == {unknown}
    assert "\x00" not in unknown


every_number = pytest.mark.parametrize(("access", "make"), NUMBERED.items(), ids=[f.__name__ for f in NUMBERED])


@every_number
def test_an_account_gets_its_own_things_by_number(access: Any, make: Any) -> None:
    account = factories.make_account()
    thing = make(account)
    make(account)
    assert access(account, number_of(thing.public_id)) == thing


@every_number
def test_a_number_of_a_stranger_and_one_nobody_has_are_answered_alike(access: Any, make: Any) -> None:
    thing = make(factories.make_account())
    stranger = factories.make_account()
    theirs = refusal(access, stranger, number_of(thing.public_id))
    assert {refusal(access, stranger, number) for number in (0, -1, 7, 2**53, 2**63, 10**40)} == {theirs}


@pytest.mark.parametrize("name", ["faß.example", "FASS.example", "xn--fa-hia.example", " faß.example. "])
def test_a_domain_is_found_by_every_form_of_its_own_name(name: str) -> None:
    domain = factories.make_domain(factories.make_account(), name="xn--fa-hia.example")
    if name.startswith("FASS"):
        refusal(tenancy.access_domain_by_name, domain.account, name)
    else:
        assert tenancy.access_domain_by_name(domain.account, name) == domain


def test_a_name_of_a_strangers_domain_and_one_nobody_has_are_answered_alike() -> None:
    domain = make_domain(factories.make_account())
    stranger = factories.make_account()
    theirs = refusal(tenancy.access_domain_by_name, stranger, domain.name)
    assert {refusal(tenancy.access_domain_by_name, stranger, name) for name in ("a.example", *MALFORMED)} == {theirs}


def test_a_template_a_program_deleted_is_not_there_by_number() -> None:
    template = factories.make_template(factories.make_account(), deleted_at=NOW())
    refusal(tenancy.access_template_by_number, template.account, number_of(template.public_id))


@every_access
def test_a_primary_key_is_not_a_public_id(access: Any, make: Any) -> None:
    account = factories.make_account()
    refusal(access, account, str(make(account).pk))


def test_a_member_gets_the_account_by_slug_and_by_public_id() -> None:
    account = factories.make_account()
    user = factories.make_user(account)
    assert tenancy.access_account(user, account.slug) == account
    assert tenancy.access_account(user, account.public_id) == account
    assert tenancy.access_account(user, str(account.public_id)) == account


def test_a_stranger_cannot_tell_an_account_from_none() -> None:
    account = factories.make_account()
    stranger = factories.make_user(factories.make_account())

    def refuse(name: str | UUID) -> str:
        return refusal(lambda _, public_id: tenancy.access_account(stranger, public_id), account, name)

    names: list[str | UUID] = [account.slug, account.public_id, uuid4(), "no-such-account", *MALFORMED]
    answers = {refuse(name) for name in names}
    assert len(answers) == 1


def test_a_superuser_works_in_every_account() -> None:
    accounts = {factories.make_account(), factories.make_account()}
    user = factories.make_user(is_superuser=True)
    assert set(tenancy.accounts_of(user)) == accounts


def test_a_person_with_two_roles_in_an_account_has_it_once() -> None:
    account = factories.make_account()
    user = factories.make_user(account, role="author")
    user.memberships.create(account=account, role="operator")
    assert list(tenancy.accounts_of(user)) == [account]


def test_a_person_works_in_no_account_but_their_own() -> None:
    factories.make_account()
    assert list(tenancy.accounts_of(factories.make_user())) == []


def test_somebody_unknown_or_switched_off_works_in_no_account() -> None:
    account = factories.make_account()
    assert not tenancy.accounts_of(AnonymousUser())
    assert not tenancy.accounts_of(factories.make_user(account, is_active=False))
    assert not tenancy.accounts_of(factories.make_user(is_active=False, is_superuser=True))


def test_a_command_finds_things_by_the_names_people_use() -> None:
    account = factories.make_account()
    sender, template, found = (
        factories.make_sender(account),
        factories.make_template(account),
        factories.make_list(account),
    )
    assert tenancy.find_account(account.slug) == account
    assert tenancy.find_list(account, found.slug) == found
    assert tenancy.find_template(account, template.name) == template
    assert tenancy.find_sender(account, sender.email) == sender
    assert tenancy.find_domain(account, sender.domain.name) == sender.domain


def test_a_command_does_not_find_things_of_another_account() -> None:
    account, other = factories.make_account(), factories.make_account()
    sender, template, found = (
        factories.make_sender(account),
        factories.make_template(account),
        factories.make_list(account),
    )
    for find, name in (
        (tenancy.find_list, found.slug),
        (tenancy.find_template, template.name),
        (tenancy.find_sender, sender.email),
        (tenancy.find_domain, sender.domain.name),
    ):
        with pytest.raises(NotFound):
            find(other, name)
