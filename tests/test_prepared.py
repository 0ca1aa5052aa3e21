"""Rows and queries that go past the ORM are what the ORM would have made."""

from __future__ import annotations

import re
import uuid

import pytest
from django.db import connection, models, transaction
from django.utils import timezone

from campaigns.models import ApiKey, Message, Submission
from campaigns.outbox import rows
from campaigns.prepared import Prepared, new_row
from tests.api import Program

pytestmark = pytest.mark.django_db


def columns(row: models.Model) -> dict[str, object]:
    return {field.attname: field.value_from_object(row) for field in row._meta.concrete_fields}


def test_a_new_row_is_what_the_model_would_have_made_of_it() -> None:
    program = Program()
    given = {
        "public_id": uuid.uuid4(),
        "account": program.account,
        "content": None,
        "planned": 3,
        "send_at": timezone.now(),
    }
    quick, usual = new_row(Submission, **given), Submission(**given)
    assert columns(quick) == columns(usual)
    assert quick._state.adding
    assert quick.account is program.account


def test_every_new_row_has_defaults_of_its_own() -> None:
    one, other = new_row(Submission), new_row(Submission)
    assert one.options == other.options
    assert one.options is not other.options
    assert one.public_id != other.public_id


def test_a_prepared_row_is_the_one_the_queryset_gives_with_what_it_selects_beside() -> None:
    program = Program()
    wanted = ApiKey.objects.select_related("account").get(account=program.account)
    for _ in range(7):  # PostgreSQL keeps the statement from the fifth time on
        (found,) = Prepared(lambda: ApiKey.objects.select_related("account").filter(prefix="")).fetch(wanted.prefix)
        assert columns(found) == columns(wanted)
        assert columns(found._state.fields_cache["account"]) == columns(wanted.account)


@pytest.mark.django_db(transaction=True)
def test_a_prepared_query_is_asked_of_the_connection_there_is_now() -> None:
    program = Program()
    wanted = ApiKey.objects.get(account=program.account)
    query = Prepared(lambda: ApiKey.objects.select_related("account").filter(prefix=""))
    for _ in range(2):
        assert [row.pk for row in query.fetch(wanted.prefix)] == [wanted.pk]
        connection.close()


def test_a_prepared_query_asks_nothing_in_a_broken_transaction() -> None:
    query = Prepared(lambda: ApiKey.objects.filter(prefix=""))
    transaction.set_rollback(True)
    try:
        with pytest.raises(transaction.TransactionManagementError):
            query.fetch("")
    finally:
        transaction.set_rollback(False)


@pytest.mark.parametrize(
    ("model", "written"),
    [
        (Submission, rows._SUBMISSION),
        (Message, f"{rows._OF_SUBMISSION}, {rows._GIVEN}, state, attempts, claimed_by, error_code"),
    ],
)
def test_no_column_without_a_default_of_the_databases_own_is_forgotten(model: type[models.Model], written: str) -> None:
    """The statements name columns by hand: a new one must be named, or may be null."""
    named = set(re.findall(r"\w+", written))
    missing = {
        field.column for field in model._meta.concrete_fields if not field.null and not field.primary_key
    } - named
    assert not missing
