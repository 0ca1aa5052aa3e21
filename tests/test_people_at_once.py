"""Two at the same moment: a code counts once, a week is signed once, an emergency is opened once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from campaigns.accounts import second_factor
from campaigns.errors import CampaignError
from campaigns.models import Membership, Role
from compliance.approvals.quorum import Person
from compliance.audit.verify import verify
from compliance.models import ActivityReview, AuditEvent, EmergencyAccess
from compliance.oversight import emergency, reviews
from tests.approvals import make_person
from tests.factories import make_account, make_user
from tests.people import code_of

pytestmark = pytest.mark.django_db(transaction=True)
NOW = timezone.now()


def refusals(*works: Callable[[], object]) -> list[str]:
    """All at once; the codes of what was refused."""
    start, refused = threading.Barrier(len(works)), []

    def run(work: Callable[[], object]) -> None:
        start.wait()
        try:
            work()
        except CampaignError as error:
            refused.append(error.code)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return refused


def test_a_code_that_two_use_at_once_counts_once() -> None:
    user = make_user(make_account(baa_status="active"))
    secret = second_factor.begin(user).secret
    codes = second_factor.finish(user, code_of(secret, at=NOW.timestamp() - 30), now=NOW)
    for code in (code_of(secret, at=NOW.timestamp()), codes[0]):
        work = lambda code=code: second_factor.prove(user, code, now=NOW)  # noqa: E731
        assert refusals(work, work) == ["factor.wrong"]


def test_a_week_that_two_officers_sign_at_once_is_signed_by_one() -> None:
    account = make_account(baa_status="active")
    review = ActivityReview.objects.create(account=account, week=NOW.date(), made_at=NOW)
    officers = [make_person(account, Role.COMPLIANCE) for _ in range(2)]
    works = [lambda by=by: reviews.sign(review, by=by, now=NOW) for by in officers]
    assert refusals(*works) == ["review.signed"]
    assert AuditEvent.objects.filter(action="audit.reviewed").count() == 1
    assert verify().is_sound


def test_emergency_access_that_somebody_opens_twice_at_once_is_opened_once() -> None:
    account = make_account(baa_status="active")
    by = Person(make_user(account, role=Role.AUTHOR).pk, frozenset({"author"}), timedelta(seconds=1))
    work = lambda: emergency.open_access(account, reason="Nobody else can be reached.", by=by, now=NOW)  # noqa: E731
    assert refusals(work, work) == ["emergency.not-needed"]
    assert EmergencyAccess.objects.count() == Membership.objects.filter(role=Role.COMPLIANCE).count() == 1
