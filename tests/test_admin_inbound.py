"""Inbound addresses and the inbox, through the admin's door: made by operators, read by those who may, safe to look at."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator

import dns.resolver
import pytest
from django.test import Client

from campaigns.models import (
    Account,
    BaaStatus,
    InboundMail,
    InboundRaw,
    InboundRoute,
    Role,
    RouteAction,
    WebhookKind,
)
from campaigns.webhooks.endpoints import Wish as EndpointWish
from campaigns.webhooks.endpoints import create_endpoint
from tests.browser import LOOKS, MARKS, Eyes
from tests.dns_server import DnsServer
from tests.factories import make_account, make_domain, make_user
from tests.inbound_mail import make_route, receive, send_campaign, write_mail

ROUTES, INBOX = "/admin/campaigns/inboundroute/", "/admin/campaigns/inboundmail/"
EVIL_HTML = (
    '<script>alert(1)</script><img src="https://evil.example.com/pixel.png" onerror="alert(2)"><p>Grüße</p>'
    '<img src="cid:pic"><meta http-equiv="refresh" content="0;url=https://evil.example.com/">'
)
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


@pytest.fixture
def account(db: None) -> Account:
    return make_account()


@pytest.fixture
def door(client: Client, account: Account) -> Client:
    client.force_login(make_user(account, role=Role.OPERATOR))
    return client


@pytest.fixture
def resolver() -> Iterator[dns.resolver.Resolver]:
    with DnsServer() as server:
        yield server.resolver


def read(door: Client, path: str) -> str:
    return html.unescape(door.get(path, follow=True).content.decode())


def add(door: Client, account: Account, **change: str) -> str:
    """The page after a try to make an inbound address."""
    domain = account.domains.filter(name="shop.example.org").first() or make_domain(account, name="shop.example.org")
    entered = {"pattern": "Support", "domain": str(domain.pk), "action": "store", "keeps": "on", "is_active": "on"}
    return html.unescape(door.post(f"{ROUTES}add/", entered | change, follow=True).content.decode())


def evil_mail() -> bytes:
    body = (
        f"--b\r\nContent-Type: text/html; charset=utf-8\r\n\r\n{EVIL_HTML}\r\n--b\r\nContent-Type: image/png\r\nContent-ID: <pic>\r\n"
        f'Content-Transfer-Encoding: base64\r\n\r\n{PIXEL}\r\n--b\r\nContent-Type: text/html; name="../x<b>\u202efdp.exe"\r\n'
        "Content-Disposition: attachment\r\n\r\n<script>alert(3)</script>\r\n--b--"
    )
    return write_mail('Content-Type: multipart/related; boundary="b"', "Subject: <script>alert(4)</script>", body=body)


# --- Addresses --------------------------------------------------------------------------------------


def test_an_operator_makes_an_address_and_tries_out_who_gets_mail(door: Client, account: Account) -> None:
    assert "Mail to support@shop.example.org is taken" in add(door, account)
    assert InboundRoute.objects.get().action == RouteAction.STORE
    tried = door.post(f"{ROUTES}try/", {"address": "support+7@shop.example.org"}, follow=True).content.decode()
    assert "Taken by support@shop.example.org. Kept to read here." in html.unescape(tried)
    tried = door.post(f"{ROUTES}try/", {"address": "other@shop.example.org"}, follow=True).content.decode()
    assert "mail to this address is refused" in html.unescape(tried)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"pattern": "a@b"}, "This cannot stand before the @"),
        ({"action": "forward"}, "not an address mail can be forwarded to"),
        ({"action": "forward", "forward_to": "a@shop.example.org"}, "comes here again"),
        ({"action": "webhook"}, "No webhook is chosen"),
    ],
)
def test_what_cannot_work_is_refused_beside_its_field(
    door: Client, account: Account, change: dict[str, str], words: str
) -> None:
    assert words in add(door, account, **change)
    assert not InboundRoute.objects.exists()


def test_an_address_is_made_once_and_can_be_changed_and_deleted(door: Client, account: Account) -> None:
    add(door, account)
    assert "There is an inbound address like this already" in add(door, account)
    route = InboundRoute.objects.get()
    endpoint, _ = create_endpoint(
        account, EndpointWish(name="Desk", url="https://hooks.example.com/", kinds=[WebhookKind.INBOUND])
    )
    page = f"{ROUTES}{route.public_id}/change/"
    change = {"pattern": "desk", "domain": str(route.domain_id), "action": "webhook", "endpoint": str(endpoint.pk)}
    assert "Switched off" in html.unescape(door.post(page, change, follow=True).content.decode())
    route.refresh_from_db()
    assert (route.pattern, route.endpoint, route.keeps, route.is_active) == ("desk", endpoint, False, False)
    door.post(f"{ROUTES}{route.public_id}/delete/", {"post": "yes"})
    assert not InboundRoute.objects.exists()


def test_an_account_under_an_agreement_gets_a_reason_instead(door: Client, account: Account) -> None:
    """hipaa H10."""
    Account.objects.filter(pk=account.pk).update(baa_status=BaaStatus.ACTIVE)
    assert "Inbound mail cannot be used under HIPAA" in add(door, account)
    assert not InboundRoute.objects.exists()


def test_strangers_find_neither_addresses_nor_mail(
    client: Client, resolver: dns.resolver.Resolver, account: Account
) -> None:
    route = make_route(account)
    mail = receive(write_mail(), resolver)
    client.force_login(make_user(make_account(), role=Role.OPERATOR))
    pages = [f"{ROUTES}{route.public_id}/change/"]
    pages += [f"{INBOX}{mail.public_id}/{page}" for page in ("change/", "part/", "mail.eml", "file/0/", "delete/")]
    pages += [f"{INBOX}?route={route.public_id}"]
    assert {client.get(page).status_code for page in pages} == {404}
    assert "A question" not in read(client, INBOX)


@pytest.mark.parametrize(("role", "may_read"), [(Role.AUTHOR, True), (Role.VIEWER, False), (Role.AUDITOR, False)])
def test_who_only_watches_figures_reads_nobodys_mail(
    client: Client, resolver: dns.resolver.Resolver, account: Account, role: Role, may_read: bool
) -> None:
    route = make_route(account)
    mail = receive(write_mail(), resolver)
    client.force_login(make_user(account, role=role))
    assert client.get(f"{ROUTES}{route.public_id}/change/").status_code == 200
    assert client.post(f"{ROUTES}{route.public_id}/change/", {}).status_code == 403
    status = 200 if may_read else 404
    assert {client.get(f"{INBOX}{mail.public_id}/{page}").status_code for page in ("change/", "mail.eml")} == {status}
    assert client.get(INBOX).status_code == (200 if may_read else 403)


# --- Reading ----------------------------------------------------------------------------------------


def test_a_mail_is_shown_where_nothing_in_it_can_act_evil_40(
    door: Client, resolver: dns.resolver.Resolver, account: Account
) -> None:
    make_route(account)
    mail = receive(evil_mail(), resolver)
    page = door.get(f"{INBOX}{mail.public_id}/change/").content.decode()
    assert "<script>alert" not in page
    assert 'sandbox=""' in page
    part = door.get(f"{INBOX}{mail.public_id}/part/?images=on")
    policy = part["Content-Security-Policy"]
    assert policy.startswith("sandbox; default-src 'none'")
    assert "http" not in policy
    assert f"data:image/png;base64,{PIXEL}" in part.content.decode()


def test_files_are_downloads_whatever_they_call_themselves_evil_17_40(
    door: Client, resolver: dns.resolver.Resolver, account: Account
) -> None:
    make_route(account)
    mail = receive(evil_mail(), resolver)
    answer = door.get(f"{INBOX}{mail.public_id}/file/1/")
    assert answer.content == b"<script>alert(3)</script>"
    assert (answer["Content-Type"], answer["X-Content-Type-Options"]) == ("application/octet-stream", "nosniff")
    assert answer["Content-Disposition"].startswith('attachment; filename="x<b>fdp.exe"')
    assert "sandbox" in answer["Content-Security-Policy"]
    assert door.get(f"{INBOX}{mail.public_id}/mail.eml").content.endswith(evil_mail())
    assert door.get(f"{INBOX}{mail.public_id}/file/9/").status_code == 404


def test_deleting_a_mail_deletes_what_came_over_the_wire(
    door: Client, resolver: dns.resolver.Resolver, account: Account
) -> None:
    make_route(account)
    mail = receive(write_mail(), resolver)
    door.post(f"{INBOX}{mail.public_id}/delete/", {"post": "yes"})
    assert (InboundMail.objects.count(), InboundRaw.objects.count()) == (0, 0)


def test_an_answer_is_found_from_the_campaign_and_the_person(
    door: Client, resolver: dns.resolver.Resolver, account: Account
) -> None:
    contact, message = send_campaign(account)
    make_route(account)
    receive(write_mail(f"In-Reply-To: <{message.public_id.hex}@x>"), resolver)
    receive(write_mail("X: y", body="About something else"), resolver)
    campaign = message.submission.campaign
    assert campaign is not None
    link = f"{INBOX}?campaign={campaign.public_id}"
    assert link in read(door, f"/admin/campaigns/campaign/{campaign.public_id}/")
    answers = read(door, link)
    assert answers.count("A question") == 1
    assert "Answers from this person" in read(door, f"/admin/campaigns/contact/{contact.public_id}/change/")


class TestLook:
    """Looked at with a real browser."""

    pytestmark = MARKS

    @pytest.mark.parametrize(("width", "scheme"), LOOKS)
    def test_the_screens_fit_and_a_mail_loads_nothing(
        self, open_eyes: Callable[..., Eyes], resolver: dns.resolver.Resolver, width: int, scheme: str
    ) -> None:
        account = make_account()
        route = make_route(account)
        make_route(account, "sales-*", action=RouteAction.FORWARD, forward_to="desk@elsewhere.example.com")
        contact, message = send_campaign(account)
        mail = receive(evil_mail(), resolver, remote="192.0.2.1")
        receive(write_mail(f"In-Reply-To: <{message.public_id.hex}@x>", body="Plain words"), resolver)
        eyes = open_eyes(width, scheme, user=make_user(account, role=Role.OPERATOR))
        answered: list[str] = []
        eyes.page.on("response", lambda response: answered.append(response.url))
        stopped: list[str] = []
        eyes.page.on("requestfailed", lambda request: stopped.append(f"{request.failure} {request.url}"))
        for name, path in {
            "routes": ROUTES, "route": f"{ROUTES}{route.public_id}/change/", "route-add": f"{ROUTES}add/",
            "inbox": INBOX, "mail": f"{INBOX}{mail.public_id}/change/",
            "person": f"/admin/campaigns/contact/{contact.public_id}/change/",
        }.items():  # fmt: skip
            eyes.page.goto(path)
            eyes.look(f"inbound-{name}")
        assert not [url for url in answered if "evil" in url]
        assert {reason for reason in stopped if "evil" in reason} <= {"csp https://evil.example.com/pixel.png"}
