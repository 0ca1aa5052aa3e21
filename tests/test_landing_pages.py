"""Several unsubscribe pages of one account: written by people, chosen by programs, usual where nothing is chosen."""

from __future__ import annotations

import html
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from campaigns import tokens
from campaigns.api.wire import number_of
from campaigns.models import Account, BaaStatus, Campaign, LandingPage, Role, Suppression, UnsubscribeLevel
from campaigns.planning import sending
from campaigns.tokens import UnsubscribeClaim
from tests.browser import LOOKS, MARKS, Eyes
from tests.factories import (
    make_account,
    make_campaign,
    make_landing_page,
    make_list,
    make_template,
    make_user,
    make_version,
)
from tests.people import sign_in
from tests.test_unsubscribe_levels import HTML, Shop
from tests.tracked import TrackedSend

SCREEN = "/admin/campaigns/landingpage/"
USUAL = "Do you want to unsubscribe?"


@pytest.fixture
def shop(db: None) -> Shop:
    return Shop(UnsubscribeLevel.ACCOUNT)


def read(path: str) -> str:
    return html.unescape(Client().get(path).content.decode())


def make_page(account: Account, **fields: Any) -> LandingPage:
    words = {
        "language": "de",
        "heading": "Genug {{ product }}?",
        "text": "Weil {{ why }}.\n<b>x</b>",
        "button": "Stopp",
    }
    return make_landing_page(account, **(words | fields))


def test_the_link_of_a_mail_opens_the_page_its_request_chose(shop: Shop) -> None:
    """infobip.md §1.2: optoutLandingPageId, with landingPagePlaceholders."""
    page = make_page(shop.account)
    values = '{"product": "<i>Tee</i>", "why": "Sie kauften"}'
    path = shop.mail(shop.sender, optoutLandingPageId=page.public_id.hex, landingPagePlaceholders=values)
    raw = Client().get(path).content.decode()
    assert '<html lang="de">' in raw
    assert "Genug &lt;i&gt;Tee&lt;/i&gt;?" in raw
    assert "Weil Sie kauften.<br>&lt;b&gt;x&lt;/b&gt;" in raw
    assert '<button type="submit"><bdi>Stopp</bdi></button>' in raw
    done = Client().post(path, "confirm=1", content_type="text/plain").content.decode()
    assert '<html lang="de">' in done
    assert Suppression.objects.count() == 1


def test_mail_without_a_choice_and_one_whose_page_is_gone_open_the_usual_page(shop: Shop) -> None:
    page = make_page(shop.account)
    assert USUAL in read(shop.mail(shop.sender))
    path = shop.mail(shop.sender, optoutLandingPageId=str(page.public_id))
    assert USUAL not in read(path)
    page.delete()
    assert USUAL in read(path)


def test_an_account_under_an_agreement_has_the_usual_page_alone(shop: Shop) -> None:
    path = shop.mail(shop.sender, optoutLandingPageId=make_page(shop.account).public_id.hex)
    Account.objects.update(baa_status=BaaStatus.ACTIVE)
    assert USUAL in read(path)


@pytest.mark.parametrize("whose", ["nobody's", "a stranger's", "no id"])
def test_a_page_that_is_not_the_accounts_is_a_violation(shop: Shop, whose: str) -> None:
    """infobip.md §3: error 6030."""
    chosen = {"nobody's": "0" * 32, "a stranger's": make_page(make_account()).public_id.hex, "no id": "1_23456"}[whose]
    content = {"subject": "x", "html": HTML, "optoutLandingPageId": chosen}
    answer = shop.post("/email/4/messages", {"messages": [shop.message(content=content)]})
    assert answer.status_code == 400
    assert answer.json()["violations"][0]["property"] == "messages[0].content.optoutLandingPageId"
    form = {"from": shop.sender, "to": "ann@example.com", "subject": "x", "text": "y", "landingPageId": chosen}
    answer = shop.client.post("/email/3/send", form, headers=shop.headers)
    assert answer.status_code == 400
    assert "landingPageId" in answer.content.decode()


def test_a_template_brings_its_page_unless_the_request_names_one(shop: Shop) -> None:
    mine, other = make_page(shop.account), make_page(shop.account, heading="Anders?")
    template = make_template(shop.account, landing_page=mine.public_id.hex)
    make_version(template)
    given = {"templateId": number_of(template.public_id), "html": None}
    assert "Genug" in read(shop.mail(shop.sender, **given))
    assert "Anders?" in read(shop.mail(shop.sender, **given, optoutLandingPageId=other.public_id.hex))
    mine.delete()
    assert USUAL in read(shop.mail(shop.sender, **given))


def test_a_campaign_chooses_its_page_and_mail_that_has_left_keeps_it(db: None) -> None:
    sent = TrackedSend()
    theirs, page = make_page(make_account()), make_page(sent.account, heading="Enough {{ product }}?", language="en")
    office = Client()
    office.force_login(make_user(sent.account, role=Role.AUTHOR))
    version = make_version(sent.account)
    draft = make_campaign(sent.account, lists=[sent.list], content=version)
    url = reverse("admin:campaigns_campaign_edit", args=[draft.public_id])
    form = {
        "name": "Summer", "template": version.template_id, "purpose": "marketing", "lists": [sent.list.pk],
        "sender": draft.sender_id,
    }  # fmt: skip
    office.post(url, form | {"landing_page": theirs.pk})
    assert Campaign.objects.get(pk=draft.pk).landing_page is None
    answer = office.post(url, form | {"landing_page": page.pk}, follow=True)
    assert f"<dd>{page.name}</dd>" in answer.content.decode()
    draft.refresh_from_db()
    submission = sending.send_now(draft)
    token = tokens.unsubscribe_token(UnsubscribeClaim(sent.account.pk, submission.pk, sent.message().address_key))
    assert "Enough ?" in read(f"/u/{token}")
    Campaign.objects.update(landing_page=None)
    assert "Enough ?" in read(f"/u/{token}")
    Account.objects.update(baa_status=BaaStatus.ACTIVE)
    assert USUAL in read(f"/u/{token}")


def test_an_author_writes_a_page_and_looks_at_it(client: Client, db: None) -> None:
    account = make_account()
    make_list(account, name="Weekly")
    sign_in(client, make_user(account, role=Role.AUTHOR))
    entered = {"name": "Tea", "language": "fr", "heading": "Assez de {{ product }} ?", "text": "<script>x</script>"}
    answer = client.post(f"{SCREEN}add/", entered | {"button": "Oui"}, follow=True)
    page = LandingPage.objects.get()
    assert page.public_id.hex in answer.content.decode()
    shown = client.get(f"{SCREEN}{page.public_id}/preview/").content.decode()
    assert '<html lang="fr">' in shown
    for words in ("Assez de {{ product }} ?", "&lt;script&gt;", "<bdi>Oui</bdi>", "<bdi>Weekly</bdi>", 'method="get"'):
        assert words in shown
    assert "already" in client.post(f"{SCREEN}add/", entered).content.decode()


@pytest.mark.parametrize(
    ("field", "words"), [("heading", "Enough {{ product"), ("text", "Because {{ }}"), ("button", "No {{ product }}")]
)
def test_a_page_on_which_readers_would_see_braces_is_not_saved(
    client: Client, db: None, field: str, words: str
) -> None:
    sign_in(client, make_user(make_account(), role=Role.AUTHOR))
    given = {"name": "Tea", "language": "en", "heading": "", "text": "", "button": "", field: words}
    answer = html.unescape(client.post(f"{SCREEN}add/", given).content.decode())
    assert "Not saved yet" in answer
    assert words in answer
    assert not LandingPage.objects.exists()


class TestInTheBrowser:
    pytestmark = MARKS

    @pytest.mark.parametrize(("width", "scheme"), LOOKS)
    def test_the_screens_and_the_page_fit(self, open_eyes: Callable[..., Eyes], width: int, scheme: str) -> None:
        account = make_account(brand_color="#1d6b4f")
        make_list(account, name="Weekly")
        page = make_page(account, text="W" * 90 + " words " * 30, heading="Enough?", language="en")
        eyes = open_eyes(width, scheme, user=make_user(account, role=Role.OPERATOR))
        paths = {
            "list": "",
            "add": "add/",
            "page": f"{page.public_id}/change/",
            "preview": f"{page.public_id}/preview/",
        }
        for name, path in paths.items():
            eyes.page.goto(f"{SCREEN}{path}")
            eyes.look(f"landing-{name}")
