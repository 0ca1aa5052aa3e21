"""What each role may do."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import AnonymousUser

from campaigns.accounts.roles import RIGHTS, Right, rights_in
from campaigns.models import Membership, Role
from tests.factories import make_account, make_user

pytestmark = pytest.mark.django_db


def test_every_role_is_in_the_table_and_may_look() -> None:
    assert set(RIGHTS) == set(Role)
    assert all(Right.VIEW in rights for rights in RIGHTS.values())


@pytest.mark.parametrize("role", [Role.AUDITOR, Role.VIEWER])
def test_who_only_watches_changes_nothing(role: Role) -> None:
    account = make_account()
    assert rights_in(make_user(account, role=role), account) == {Right.VIEW}


def test_an_author_sends_and_does_not_manage_domains() -> None:
    account = make_account()
    rights = rights_in(make_user(account, role=Role.AUTHOR), account)
    assert Right.SEND in rights
    assert Right.MANAGE_DOMAINS not in rights


def test_an_approver_does_not_write_what_they_approve() -> None:
    account = make_account()
    assert Right.COMPOSE not in rights_in(make_user(account, role=Role.APPROVER), account)


def test_roles_add_up() -> None:
    account = make_account()
    user = make_user(account, role=Role.VIEWER)
    Membership.objects.create(user=user, account=account, role=Role.COMPLIANCE)
    assert rights_in(user, account) == {Right.VIEW, Right.MANAGE_SUPPRESSIONS, Right.READ_MAIL}


def test_a_role_counts_in_its_own_account_only() -> None:
    account, other = make_account(), make_account()
    assert rights_in(make_user(account, role=Role.OPERATOR), other) == frozenset()


def test_a_superuser_may_do_everything() -> None:
    assert rights_in(make_user(is_superuser=True), make_account()) == set(Right)


def test_a_role_the_table_does_not_know_gives_nothing() -> None:
    account = make_account()
    assert rights_in(make_user(account, role="emperor"), account) == frozenset()


def test_somebody_unknown_or_switched_off_may_do_nothing() -> None:
    account = make_account()
    assert rights_in(AnonymousUser(), account) == frozenset()
    assert rights_in(make_user(account, role=Role.OPERATOR, is_active=False), account) == frozenset()
