"""Mails of API requests by transports that build the mail elsewhere: texts, files and headers go along."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator

import pytest
from django.conf import settings
from pytest_django import Settings

from campaigns.models import Message, MessageState, Transport
from campaigns.outbox.transports import seal_config
from tests.api import Program
from tests.infobip_server import KEY, InfobipServer
from tests.test_anymail import CREDENTIALS, Provider
from tests.test_api_sending import PDF, PNG

pytestmark = pytest.mark.django_db

CONTENT = {
    "html": '<p>{{name}} <img src="cid:dot.png"></p>',
    "defaultPlaceholders": '{"name": "A < B"}',
    "headers": '{"X-Order": "7"}',
    "attachments": [{"content": PDF, "contentType": "application/pdf", "fileName": "a.pdf"}],
    "inlineImages": [{"content": PNG, "contentType": "image/png", "fileName": "dot.png"}],
}


@pytest.fixture
def program() -> Program:
    return Program()


def leave_by(program: Program, kind: str, config: dict[str, object]) -> None:
    program.account.transports.all().delete()
    way = Transport(account=program.account, name="Provider", kind=kind, is_default=True)
    way.config_sealed = seal_config(way, config=config)
    way.save()


@pytest.fixture
def infobip(settings: Settings) -> Iterator[InfobipServer]:
    settings.NET_ALLOW_PRIVATE = True
    with InfobipServer() as server:
        yield server


@pytest.fixture
def postmark(settings: Settings) -> Iterator[Provider]:
    settings.NET_ALLOW_PRIVATE = True
    with Provider() as server:
        yield server


def test_infobip_gets_the_texts_and_the_files(program: Program, infobip: InfobipServer) -> None:
    leave_by(program, "infobip", {"base_url": infobip.url, "api_key": KEY})
    program.send(content=CONTENT)
    program.work()
    assert Message.objects.get().state == MessageState.SENT
    (asked,) = [request.json() for request in infobip.asked if request.method == "POST"]
    content = asked["messages"][0]["content"]
    assert content["html"] == '<p>A &lt; B <img src="cid:dot.png"></p>\n'
    assert (content["attachments"][0]["fileName"], content["attachments"][0]["content"]) == ("a.pdf", PDF)
    assert content["inlineImages"][0]["fileName"] == "dot.png"
    assert '"X-Order":"7"' in content["headers"]


def test_marketing_mail_a_provider_builds_has_the_one_click_headers(infobip: InfobipServer) -> None:
    """UN-01: RFC 8058 §3.1, whoever puts the mail together; transactional mail has none (UN-13)."""
    shop = Program(purpose="marketing")
    leave_by(shop, "infobip", {"base_url": infobip.url, "api_key": KEY})
    shop.send(content={"html": '<p>1 Main St, Vilnius</p><a href="{$unsubscribe}">Leave</a>'})
    shop.work()
    Program(shop.account).send("bo@example.com")
    shop.work()
    news, receipt = [request.json() for request in infobip.asked if request.method == "POST"]
    headers = json.loads(news["messages"][0]["content"]["headers"])
    assert headers["List-Unsubscribe"].startswith(f"<{settings.PUBLIC_URL}/u/")
    assert headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert "List-Unsubscribe" not in str(receipt)


def test_another_provider_gets_them_through_anymail(program: Program, postmark: Provider) -> None:
    leave_by(program, "postmark", {**CREDENTIALS, "api_url": postmark.url})
    program.send(content=CONTENT)
    program.work()
    assert Message.objects.get().state == MessageState.SENT
    (mail,) = postmark.mails
    assert mail["HtmlBody"] == '<p>A &lt; B <img src="cid:dot.png"></p>\n'
    files = {file["Name"]: file for file in mail["Attachments"]}
    assert base64.b64decode(files["a.pdf"]["Content"]).startswith(b"%PDF")
    assert files["dot.png"]["ContentID"] == "cid:dot.png"
