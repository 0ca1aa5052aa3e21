"""A job queue that cannot be reached: what was saved stays saved, and the sweep rings later."""

from __future__ import annotations

import logging

import pytest
from django.db import transaction
from django_q.conf import Conf
from redis.backoff import NoBackoff
from redis.retry import Retry

from campaigns import jobs
from campaigns.models import Account
from tests.factories import make_account

NOBODY_LISTENS = {"host": "127.0.0.1", "port": 1, "retry": Retry(NoBackoff(), 0)}


@pytest.mark.django_db(transaction=True)
def test_a_change_is_saved_although_its_bell_cannot_be_rung(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(Conf, "SYNC", False)
    monkeypatch.setattr(Conf, "ORM", None)
    monkeypatch.setattr(Conf, "REDIS", NOBODY_LISTENS)
    with caplog.at_level(logging.ERROR), transaction.atomic():
        account = make_account()
        jobs.ring("campaigns.tasks.plan_submission", account.pk)
    assert Account.objects.filter(pk=account.pk).exists()
    assert [record.levelname for record in caplog.records] == ["ERROR"]
