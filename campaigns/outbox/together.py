"""Accepting mail of programs: the one way in behind the HTTP and the SMTP API.

Everything is durable when a function returns, or nothing is; what many callers bring at the same moment costs one commit.
Whether a mail may leave is not asked yet: the gate decides at hand-over, as for every mail, and what it refuses is told in
reports.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from campaigns.errors import CampaignError
from campaigns.models import Domain, Submission, Transport
from campaigns.outbox import stream
from campaigns.outbox.requests import Accepted, Batch, EmailRequest, find_transport, make_messages, make_submission
from campaigns.outbox.rows import NewMessage, insert_mails
from campaigns.prepared import Prepared

_DOMAIN = Prepared(lambda: Domain.objects.filter(account_id=0, name=""))


def accept_requests(batch: Batch, *, now: datetime) -> list[Accepted]:
    """Store every mail of a batch, queued, in one transaction; the way out is told after the commit.

    With `together` one mail stands for the whole `to`, as Infobip has it. Ask `check_batch` first. Raises CampaignError
    `request.no-transport`, `request.pool-unknown` or `request.pool-empty`.
    """
    (result,) = accept_together([batch], now=now)
    if isinstance(result, CampaignError):
        raise result
    return result


def accept_together(batches: Sequence[Batch], *, now: datetime) -> list[list[Accepted] | CampaignError]:
    """What accept_requests gives for each batch, or the refusal of that batch alone; durable when it returns.

    Anything else it raises is about all of them, and nothing of any is stored.
    """
    domains = _find_domains(batches)
    routes = _find_routes(batches, domains)
    results: list[list[Accepted] | CampaignError] = [_refusal(batch, routes) or [] for batch in batches]
    planned = [
        (batch, request, answers, _plan(batch, request, routes, domains))
        for batch, answers in zip(batches, results, strict=True)
        if isinstance(answers, list)
        for request in batch.requests
    ]
    messages: list[NewMessage] = []
    earliest: dict[Transport, datetime] = {}
    for batch, request, answers, submission in planned:
        rows, told = make_messages(submission, request, batch=batch)
        messages += rows
        answers.extend(told)
        known = earliest.get(submission.transport, submission.send_at)
        earliest[submission.transport] = min(known, submission.send_at)
    insert_mails([submission for *_, submission in planned], messages)
    for transport, at in earliest.items():
        stream.ring(transport, at=at, now=now)
    return results


_Route = tuple[int, str, str, bool]
_Routes = dict[_Route, Transport | CampaignError]
_Domains = dict[tuple[int, str], Domain]


def _refusal(batch: Batch, routes: _Routes) -> CampaignError | None:
    found = (routes[_route(batch, request)] for request in batch.requests)
    return next((route for route in found if isinstance(route, CampaignError)), None)


def _plan(batch: Batch, request: EmailRequest, routes: _Routes, domains: _Domains) -> Submission:
    transport = routes[_route(batch, request)]
    assert isinstance(transport, Transport)
    domain = domains.get((batch.account.pk, request.sender_domain))
    return make_submission(batch, request, transport=transport, domain=domain)


def _route(batch: Batch, request: EmailRequest) -> _Route:
    return batch.account.pk, request.pool, request.sender_domain, batch.to_sandbox


def _find_routes(batches: Sequence[Batch], domains: _Domains) -> _Routes:
    wanted = {_route(batch, request): batch.account for batch in batches for request in batch.requests}
    found: _Routes = {}
    for route, account in wanted.items():
        number, pool, name, to_sandbox = route
        domain = domains.get((number, name))
        try:
            found[route] = find_transport(account, pool=pool, domain=domain, to_sandbox=to_sandbox)
        except CampaignError as error:
            found[route] = error
    return found


def _find_domains(batches: Sequence[Batch]) -> _Domains:
    wanted = {(batch.account.pk, request.sender_domain) for batch in batches for request in batch.requests}
    if len(wanted) == 1:
        rows: Iterable[Domain] = _DOMAIN.fetch(*wanted.pop())
    else:
        rows = Domain.objects.filter(account__in={a for a, _ in wanted}, name__in={name for _, name in wanted})
    return {(domain.account_id, domain.name): domain for domain in rows}
