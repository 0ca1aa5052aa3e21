"""What answers somebody who has not signed in, asked with everything an account under an agreement has (hipaa.md S15)."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from typing import Any

import pytest
from django.apps import apps
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import URLResolver, get_resolver, path
from django.utils import timezone
from pytest_django import Settings

from campaigns import tokens
from campaigns.models import Account, Campaign, Message, SecondFactor, Submission
from campaigns.outbox.dispatch import dispatch_slice
from campaigns.planning import notices
from campaigns.planning.hipaa import starting
from compliance.approvals import stopping
from compliance.models import Approval
from tests.factories import make_contact, make_list
from tests.hipaa_office import HipaaOffice

pytestmark = pytest.mark.django_db

HIPAA_HOST = "hipaa.test"
# Name -> why it may answer. Whoever adds a route that does adds it here, or closes it.
MAY_ANSWER = {
    "web:unsubscribe": "leaving takes no account (UN-06, RFC 8058)",
    "web:^u/(?P<token>.*)$": "the same address with a slash or another tail",
    "web:preferences": "what the same token leaves from, and what of",
    "web:brand": "colours of the page for leaving, and nothing else of the account",
    "web:logo": "the picture on that page",
    "admin:login": "the way in",
    "admin:logout": "it signs nobody out and says so",
    "admin:jsi18n": "words of date pickers, of no account",
    "openapi": "documentation, of no account",
    "api-docs": "documentation, of no account",
    "docs/": "documentation, of no account",
    "eligibility-list": "what may be used by whom, of no account",
}
# Not there, not for you, not without a key, not by this method.
CLOSED = {401, 403, 404, 405}
_PARAM = re.compile(r"<(?:(?P<kind>\w+):)?(?P<name>\w+)>|\(\?P<(?P<regex_name>\w+)>(?:[^()]|\([^()]*\))*\)")


@dataclass(frozen=True)
class Route:
    """A pattern of a URLconf with the names of its parameters."""

    name: str
    text: str
    params: tuple[tuple[str, str], ...] = ()

    def fill(self, values: tuple[str, ...]) -> str:
        given = iter(values)
        bare = _PARAM.sub(lambda _: next(given), self.text)
        return "/" + re.sub(r"\(\?:[^()]*\)|[\^$?]", "", bare).lstrip("/")


def list_routes(urlconf: Any) -> list[Route]:
    return list(_walk(get_resolver(urlconf).url_patterns, "", ""))


def _walk(patterns: Any, text: str, space: str) -> Iterator[Route]:
    for pattern in patterns:
        here = text + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from _walk(pattern.url_patterns, here, space + (f"{pattern.namespace}:" if pattern.namespace else ""))
            continue
        params = tuple((m["kind"] or "str", m["name"] or m["regex_name"]) for m in _PARAM.finditer(here))
        yield Route(space + (pattern.name or str(pattern.pattern)), here, params)


@dataclass
class World:
    """Everything there is of one account under an agreement, by the ids and tokens one could guess or find."""

    account: Account
    tokens: dict[str, str] = field(default_factory=dict)
    lists: list[str] = field(default_factory=list)
    domains: list[str] = field(default_factory=list)

    @cached_property
    def rows(self) -> list[models.Model]:
        """One row of each table that has any."""
        tables = [model for app in ("campaigns", "compliance") for model in apps.get_app_config(app).get_models()]
        found = (model._default_manager.order_by("pk").first() for model in tables)
        return [row for row in found if row is not None]

    def ids(self, route: Route, kind: str, name: str) -> list[str]:
        """The values worth trying for a parameter: those of the route's own table, and what leads from the outside in."""
        own = [row for row in self.rows if f"{row._meta.app_label}_{row._meta.model_name}_" in route.name]
        own = own or [row for row in self.rows if isinstance(row, (Account, Campaign, Submission, Message))]
        uuids = [str(row.public_id) for row in (*own, self.account) if hasattr(row, "public_id")]
        if kind == "uuid":
            return uuids or [str(self.account.public_id)]
        if kind == "int":
            return [str(row.pk) for row in own if isinstance(row.pk, int)] or ["1"]
        if name in {"slug", "list_slug", "domainName"}:
            return {"slug": [self.account.slug], "list_slug": self.lists, "domainName": self.domains}[name]
        if name == "to":
            return ["suspended"]
        if name == "token" or (name == "url" and not route.name.startswith("admin:")):
            return [*self.tokens.values(), *uuids]
        return list(dict.fromkeys([*uuids, *(str(row.pk) for row in own)]))[:4]


@pytest.fixture
def world(settings: Settings) -> World:
    """A send that left, and beside it what such an account should not have: an archive, lists, contacts."""
    settings.HIPAA_HOSTS = [HIPAA_HOST]
    settings.ALLOWED_HOSTS = [*settings.ALLOWED_HOSTS, HIPAA_HOST]
    office = HipaaOffice()
    clinic, account, now = office.clinic, office.clinic.account, timezone.now()
    office.approve(office.submitted(people=2))
    starting.start_send(Approval.objects.get(), now=now)
    dispatch_slice(Submission.objects.get().pk)
    clinic.key()
    readers = make_list(account)
    make_contact(account, lists=[readers], first_name="Ann")
    stopping.order_stop(account.pk, owner=clinic.owner, by=clinic.officer, reason="test", now=now)
    SecondFactor.objects.all().delete()
    logo = {"logo": b"\x89PNG", "logo_type": "image/png"}
    Account.objects.filter(pk=account.pk).update(has_public_archive=True, **logo)
    Campaign.objects.update(in_archive=True)
    message, later = Message.objects.order_by("pk")[0], int(time.time()) + 3600
    leaving = tokens.UnsubscribeClaim(account.pk, message.submission_id, message.address_key)
    person = (later, account.pk, message.submission_id, message.address_key)
    found = World(account, lists=[readers.slug], domains=[office.sender.domain.name])
    found.tokens = {
        "unsubscribe": tokens.unsubscribe_token(leaving),
        "data": tokens.personal_token(tokens.PersonalClaim(notices.Act.EXPORT, *person)),
        "view": tokens.view_token(tokens.ViewClaim(message.public_id, later)),
        "visit": tokens.visit_token(tokens.VisitClaim(message.submission_id, message.public_id)),
    }
    return found


def knock(world: World, urlconf: Any = None, **client: Any) -> tuple[set[str], int, int]:
    """The names of routes that answered, how many were asked with ids of the account, and how many there are."""
    routes, answered, asked = list_routes(urlconf), set(), 0
    nobody = Client(**client)
    for route in routes:
        values = [world.ids(route, kind, name) for kind, name in route.params]
        asked += bool(values)
        for given in product(*values):
            for method in ("GET", "POST"):
                answer = nobody.generic(method, route.fill(given), secure=True)
                if not _is_closed(answer):
                    answered.add(route.name)
    return answered, asked, len(routes)


def _is_closed(answer: Any) -> bool:
    to_login = answer.status_code in {301, 302} and "/admin/" in answer.headers["Location"]
    return answer.status_code in CLOSED or to_login


def test_nobody_gets_an_answer_about_an_account_under_an_agreement_but_who_leaves(world: World) -> None:
    answered, asked, routes = knock(world)
    assert sorted(answered - MAY_ANSWER.keys()) == []
    assert {"web:unsubscribe", "admin:login"} <= answered
    # Not vacuous: most screens take an id, and got one of a row that is there.
    assert (asked > 150, routes > 300) == (True, True), (asked, routes)
    assert len(world.rows) > 30


def test_at_the_hipaa_host_nothing_answers_without_a_key(world: World) -> None:
    answered, _, routes = knock(world, "config.hipaa_urls", headers={"host": HIPAA_HOST})
    assert sorted(answered - {"eligibility-list"}) == []
    assert routes > 10
    for name in ("healthz", "readyz"):
        assert Client(headers={"host": HIPAA_HOST}).get(f"/{name}", secure=True).status_code == 200


def _show(request: HttpRequest, public_id: str) -> HttpResponse:
    return HttpResponse(f"{Message.objects.count()} mails of {public_id}")


urlpatterns = [path("shared/<uuid:public_id>/", _show, name="shared-report")]


def test_a_new_route_that_answers_is_noticed(world: World, settings: Settings) -> None:
    """The control."""
    settings.ROOT_URLCONF = __name__
    answered, _, _ = knock(world, __name__)
    assert answered == {"shared-report"}
