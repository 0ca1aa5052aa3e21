"""Accepting what many callers bring at the same moment in one transaction: one commit for all of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

from django.db import transaction

from campaigns.errors import CampaignError
from campaigns.models import Domain, Submission, Transport
from campaigns.outbox import stream
from campaigns.outbox.requests import Accepted, Batch, EmailRequest, find_transport, make_messages, make_submission
from campaigns.outbox.rows import NewMessage, insert_messages
from campaigns.outbox.submission_rows import insert_submissions


def accept_together(batches: Sequence[Batch], *, now: datetime) -> list[list[Accepted] | CampaignError]:
    """What accept_requests gives for each batch, or the refusal of that batch alone; durable when it returns.

    Anything else it raises is about all of them, and nothing of any is stored.
    """
    routes, domains = _find_routes(batches), _find_domains(batches)
    results: list[list[Accepted] | CampaignError] = [_refusal(batch, routes) or [] for batch in batches]
    planned = [
        (batch, request, answers, _plan(batch, request, routes, domains))
        for batch, answers in zip(batches, results, strict=True)
        if isinstance(answers, list)
        for request in batch.requests
    ]
    with transaction.atomic():
        insert_submissions([submission for *_, submission in planned])
        messages: list[NewMessage] = []
        for batch, request, answers, submission in planned:
            rows, told = make_messages(submission, request, batch=batch)
            messages += rows
            answers.extend(told)
        insert_messages(messages)
        earliest: dict[Transport, datetime] = {}
        for *_, submission in planned:
            known = earliest.get(submission.transport, submission.send_at)
            earliest[submission.transport] = min(known, submission.send_at)
        for transport, at in earliest.items():
            stream.ring(transport, at=at, now=now)
    return results


_Routes = dict[tuple[int, str], Transport | CampaignError]
_Domains = dict[tuple[int, str], Domain]


def _refusal(batch: Batch, routes: _Routes) -> CampaignError | None:
    found = (routes[_route(batch, request.pool)] for request in batch.requests)
    return next((route for route in found if isinstance(route, CampaignError)), None)


def _plan(batch: Batch, request: EmailRequest, routes: _Routes, domains: _Domains) -> Submission:
    transport = routes[_route(batch, request.pool)]
    assert isinstance(transport, Transport)
    domain = domains.get((batch.account.pk, request.sender_domain))
    return make_submission(batch, request, transport=transport, domain=domain)


def _route(batch: Batch, pool: str) -> tuple[int, str]:
    return batch.account.pk, pool


def _find_routes(batches: Sequence[Batch]) -> _Routes:
    wanted = {_route(batch, request.pool): batch.account for batch in batches for request in batch.requests}
    found: _Routes = {}
    for (number, pool), account in wanted.items():
        try:
            found[number, pool] = find_transport(account, pool)
        except CampaignError as error:
            found[number, pool] = error
    return found


def _find_domains(batches: Sequence[Batch]) -> _Domains:
    names: dict[int, set[str]] = defaultdict(set)
    for batch in batches:
        names[batch.account.pk] |= {request.sender_domain for request in batch.requests}
    rows = Domain.objects.filter(account__in=names, name__in=set().union(*names.values()))
    return {(domain.account_id, domain.name): domain for domain in rows}
