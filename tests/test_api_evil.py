"""Evil inputs at the HTTP API (standards.md §6): bombs, half characters, addresses of our own network, keys in addresses."""

from __future__ import annotations

import time
from base64 import b64encode
from typing import Any

import pytest
from django.conf import LazySettings
from django.test import Client

from campaigns.models import Message, MessageState, Submission
from tests.api import Program, text_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def program() -> Program:
    return Program()


def violations(response: Any) -> dict[str, str]:
    assert response.status_code == 400, response.content
    return {entry["property"]: entry["violation"] for entry in response.json()["violations"]}


@pytest.mark.parametrize("evil", ["a\0b", "a\ud800b"], ids=["NUL", "half a character"])
@pytest.mark.parametrize(
    ("place", "path"),
    [
        ({"sender": "{}"}, "messages[0].sender"),
        ({"content": {"subject": "{}"}}, "messages[0].content.subject"),
        ({"content": {"html": "<p>{}</p>"}}, "messages[0].content.html"),
        ({"options": {"campaignReferenceId": "{}"}}, "messages[0].options.campaignReferenceId"),
        ({"options": {"platform": {"entityId": "{}"}}}, "messages[0].options.platform.entityId"),
        ({"webhooks": {"callbackData": "{}"}}, "messages[0].webhooks.callbackData"),
        ({"ips": {"ipPoolId": "{}"}}, "messages[0].ips.ipPoolId"),
    ],
)
def test_text_that_nothing_can_store_is_a_400_with_its_path(
    program: Program, place: dict[str, Any], path: str, evil: str
) -> None:
    """Evil inputs 9 and 10."""

    def fill(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: fill(entry) for name, entry in value.items()}
        return value.replace("{}", evil)

    response = program.post("/email/4/messages", {"messages": [program.message(**fill(place))]})
    assert list(violations(response)) == [path]


@pytest.mark.parametrize(
    "path", ["/email/4/logs?bulkId=a%00b", "/email/4/reports?messageId=%00", "/email/4/logs?sender=%00"]
)
def test_a_nul_in_a_query_is_a_400(program: Program, path: str) -> None:
    """Evil input 9."""
    assert list(violations(program.get(path))) == [path.partition("?")[2].partition("=")[0]]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("{% for i in (1..1000000000) %}x{% endfor %}", "content.limit"),
        ("{% for a in (1..9999) %}{% for b in (1..9999) %}x{% endfor %}{% endfor %}", "content.limit"),
        ("{% for i in (1..9000) %}" + "x" * 1000 + "{% endfor %}", "content.limit"),
        ("{% assign s = 'aaaaaaaaaa' %}" + "{% assign s = s | append: s %}" * 40 + "{{ s }}", "content.limit"),
        ("{% if a %}" * 500 + "{% endif %}" * 500, "content.syntax"),
        ("{% include 'me' %}", "content.syntax"),
        ("{% render 'me' %}", "content.syntax"),
        ("{{ (1..1000000000) | join: '' }}", "content.syntax"),
    ],
    ids=["a long loop", "nested loops", "long output", "doubling", "deep nesting", "include", "render", "a range"],
)
def test_a_template_that_is_a_bomb_fails_alone_and_the_worker_lives(program: Program, text: str, code: str) -> None:
    """Evil input 14."""
    began = time.process_time()
    program.send("evil@example.com", content={"text": text, "templateLanguageVersion": "2"})
    program.send("good@example.com")
    (mail,) = program.work()
    assert mail["to"] == "good@example.com"
    assert time.process_time() - began < 20
    failed = Message.objects.get(recipient="evil@example.com")
    assert (failed.state, failed.error_code) == (MessageState.FAILED, code)
    (report,) = program.get("/email/4/reports", messageId=str(failed.public_id)).json()["results"]
    assert (report["status"]["name"], report["error"]["name"]) == (
        "REJECTED_DATA_TRANSFORMATION_FAILED", "EC_EMAIL_TEMPLATE_LANGUAGE_ERROR",
    )  # fmt: skip


def test_odd_values_print_as_people_write_them_and_defaults_work(program: Program) -> None:
    """Evil input 15."""
    values: dict[str, Any] = {"number": 12.5, "yes": True, "nothing": None, "list": [], "gap": ""}
    content = {
        "text": '{{number}} {{ nothing | default: "friend" }} {{ gap|default:"friend" }} {{ list | size }}',
        "templateLanguageVersion": "2",
    }
    program.send(destinations=[{"to": [{"destination": "ann@example.com", "placeholders": values}]}], content=content)
    (mail,) = program.work()
    assert text_of(mail) == "12.5 friend friend 0\n"


def test_a_hundred_and_one_files_are_refused_before_any_is_read(program: Program) -> None:
    """Evil input 16."""
    files = [{"content": "SGVsbG8=", "fileName": "a.txt"}] * 101
    response = program.post("/email/4/messages", {"messages": [program.message(content={"attachments": files})]})
    assert violations(response) == {"messages[0].content.attachments": "size must be at most 100"}


URLS = [
    "http://169.254.169.254/", "https://169.254.169.254/", "https://127.1/", "https://2130706433/", "https://0x7f000001/",
    "https://127.0.0.1/", "https://10.0.0.7/", "https://[::1]/", "https://[::ffff:127.0.0.1]/", "https://[64:ff9b::7f00:1]/",
    "https://localhost/", "https://localhost./", "https://db.internal/", "https://intranet/", "file:///etc/passwd",
    "gopher://example.com/", "http://cb.example.com/", "https://cb.example.com:25/", "https://user@cb.example.com/",
    "https://cb.example.com\\@127.0.0.1/", "https://", "cb.example.com", "https://cb.example.com/\r\nHost: x",
]  # fmt: skip


@pytest.mark.parametrize("url", URLS)
def test_nobody_has_us_call_our_own_network(program: Program, url: str) -> None:
    """Evil input 26."""
    message = program.message(webhooks={"delivery": {"url": url}})
    body = {"messages": [message], "options": {"tracking": {"trackingUrl": url}}}
    response = program.post("/email/4/messages", body)
    assert violations(response) == dict.fromkeys(
        ["messages[0].webhooks.delivery.url", "options.tracking.trackingUrl"],
        "An https address of a public host is needed.",
    )
    assert url.encode() not in response.content
    assert not Submission.objects.exists()


def test_the_older_operations_refuse_such_addresses_by_the_names_of_their_fields(program: Program) -> None:
    """Evil input 26."""
    form = {"from": program.sender, "to": "a@example.com", "subject": "Hi", "text": "x"}
    urls = {"notifyUrl": "https://127.1/", "trackingUrl": "https://[::1]/"}
    for answer in (
        program.client.post("/email/3/send", form | urls, headers=program.headers),
        program.post("/email/4/mime", {"mimeMessage": _mime(program), **urls}),
    ):
        exception = answer.json()["requestError"]["serviceException"]
        assert answer.status_code == 400
        assert set(exception["validationErrors"]) <= set(urls)


def _mime(program: Program) -> str:
    mail = f"From: {program.sender}\r\nTo: a@example.com\r\nSubject: Hi\r\n\r\nx\r\n"
    return b64encode(mail.encode()).decode()


@pytest.mark.parametrize(
    "url", ["https://cb.example.com/dlr?tenant=7&key=a%20b", "https://cb.example.com:443/", "https://8.8.8.8/"]
)
def test_public_addresses_are_taken(program: Program, url: str) -> None:
    program.send(webhooks={"delivery": {"url": url}}, options={"tracking": {"trackingUrl": url}})


def test_an_installation_that_allows_private_addresses_takes_them(program: Program, settings: LazySettings) -> None:
    settings.NET_ALLOW_PRIVATE = True
    program.send(webhooks={"delivery": {"url": "http://127.0.0.1:8080/dlr"}})
    body = {"messages": [program.message(webhooks={"delivery": {"url": "http://169.254.169.254/"}})]}
    assert program.post("/email/4/messages", body).status_code == 400


@pytest.mark.parametrize("name", ["key", "apiKey", "api_key", "Authorization", "token", "access_token"])
def test_a_key_in_the_query_string_is_never_accepted(program: Program, name: str) -> None:
    """Evil input 40: addresses end up in logs."""
    for value in (program.secret, f"App {program.secret}"):
        assert Client().get("/email/4/logs", {name: value}).status_code == 401


def test_a_key_in_a_cookie_or_a_body_is_never_accepted(program: Program) -> None:
    """Evil input 40."""
    client = Client()
    client.cookies["Authorization"] = f"App {program.secret}"
    assert client.post("/email/3/send", {"Authorization": f"App {program.secret}"}).status_code == 401


def test_a_signed_in_person_is_nobody_to_the_api(program: Program, admin_client: Client) -> None:
    """Evil input 40: a page of a stranger cannot send mail through somebody's browser."""
    assert admin_client.get("/email/4/logs").status_code == 401


def test_ids_of_another_account_find_nothing(program: Program) -> None:
    """Evil input 40."""
    program.send("ann@example.com", options={"schedule": {"bulkId": "b-1"}})
    program.send("bo@example.com")
    program.work()
    page = program.get("/email/4/logs", limit=1, useCursor="true").json()
    stranger = Program()
    stranger.send("own@example.com")
    for query in (
        {"messageId": str(Message.objects.get(recipient="ann@example.com").public_id)},
        {"bulkId": "b-1"},
        {"useCursor": "true", "cursor": page["cursor"]["nextCursor"]},
    ):
        found = stranger.get("/email/4/logs", **query).json()["results"]
        assert {entry["destination"] for entry in found} <= {"own@example.com"}
