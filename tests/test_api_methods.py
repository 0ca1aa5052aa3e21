"""What every address below /email/ answers to methods it does not have, and addresses nobody has."""

from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree

import pytest
from django.test import Client, RequestFactory
from django.urls import resolve

from campaigns.api.app import api
from campaigns.api.document import build_document
from campaigns.api.envelopes import answer, is_older
from tests.api import Program

PATHS = {
    re.sub(r"\{\w+\}", "7", path): {method.upper() for method in entry}
    for path, entry in build_document()["paths"].items()
}


def text_of(response: Any) -> str:
    """What an envelope of either family says first."""
    body = response.json()
    return str(body["errorCode"] if "errorCode" in body else body["requestError"]["serviceException"]["messageId"])


METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND"}


@pytest.mark.parametrize("path", PATHS)
def test_a_method_that_is_not_there_is_a_405_in_the_right_envelope(client: Client, path: str) -> None:
    for method in METHODS - PATHS[path]:
        response = client.generic(method, path)
        assert response.status_code == 405, method
        assert set(response["Allow"].split(", ")) == {*PATHS[path], "OPTIONS"}
        if method != "HEAD":
            assert text_of(response) == ("METHOD_NOT_ALLOWED" if is_older(path) else "E405")


@pytest.mark.parametrize("path", PATHS)
def test_options_tells_the_methods_and_needs_no_key(client: Client, path: str) -> None:
    response = client.options(path)
    assert (response.status_code, response.content) == (204, b"")
    assert set(response["Allow"].split(", ")) == {*PATHS[path], "OPTIONS"}


@pytest.mark.parametrize(("path", "said"), [("/email/4/nothing", "E404"), ("/email/1/bulks/nothing", "NOT_FOUND")])
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_an_address_nobody_has_is_a_404_in_an_envelope(client: Client, method: str, path: str, said: str) -> None:
    response = client.generic(method, path)
    assert (response.status_code, text_of(response)) == (404, said)


@pytest.mark.parametrize("path", ["/email", "/email/"])
def test_the_bare_address_of_the_api_is_a_404_in_an_envelope_too(client: Client, path: str) -> None:
    assert text_of(client.get(path)) == "E404"


@pytest.mark.parametrize(("path", "root"), [("/email/4/logs", "ApiError"), ("/email/1/logs", "ApiException")])
@pytest.mark.parametrize("method", ["POST", "GET"])
@pytest.mark.django_db
def test_both_envelopes_are_xml_when_asked(client: Client, method: str, path: str, root: str) -> None:
    """A 405 by POST, a 401 by GET."""
    response = client.generic(method, path, headers={"accept": "application/xml"})
    assert response["Content-Type"] == "application/xml"
    assert ElementTree.fromstring(response.content).tag == root  # noqa: S314 - our own words


@pytest.mark.django_db
def test_faults_of_a_form_are_readable_xml() -> None:
    """Paths such as to[0] are no names of elements."""
    program = Program()
    form = {"from": program.sender, "to": "{broken", "subject": "Hi", "text": "x"}
    response = program.client.post("/email/3/send", form, headers={**program.headers, "accept": "application/xml"})
    root = ElementTree.fromstring(response.content)  # noqa: S314
    faults = root.findall("requestError/serviceException/validationErrors/entry")
    assert [fault.get("name") for fault in faults] == ["to[0]"]


def test_text_that_xml_cannot_hold_is_replaced() -> None:
    request = RequestFactory().get("/email/4/logs", headers={"accept": "application/xml"})
    response = answer(request, 200, {"to": "a\x00\x0b\ud800<b"}, root="ValidationResponse")
    root = ElementTree.fromstring(response.content)  # noqa: S314
    assert root.findtext("to") == "a\ufffd\ufffd\ufffd<b"


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/email/4/logs", "/email/1/bulks?bulkId=b-1"])
def test_every_401_says_how_to_come_in(client: Client, path: str) -> None:
    """RFC 9110 §11.6.1."""
    response = client.get(path)
    assert response.status_code == 401
    schemes = re.findall(r"(\w+) realm=", response["WWW-Authenticate"])
    assert schemes == ["App", "Basic", "Bearer"]


@pytest.mark.django_db
def test_no_cookie_says_who_a_program_is(admin_client: Client) -> None:
    """Somebody signed in is nobody here, and their session is not even looked for."""
    response = admin_client.get("/email/1/suppressions")
    assert response.status_code == 401
    assert "Cookie" not in response.headers.get("Vary", "")
    assert not hasattr(response.wsgi_request, "session")


def test_no_operation_hides_another() -> None:
    """Two routers with the same path would answer each other's methods with 405."""
    for path, methods in PATHS.items():
        match = resolve(path)
        assert match.func.__module__ != "campaigns.api.app", f"{path} leads nowhere"
        found = Client().options(path)["Allow"]
        assert set(found.split(", ")) == {*methods, "OPTIONS"}
    assert api.urls_namespace == "api"
