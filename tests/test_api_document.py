"""/openapi.json: every operation, truthful and complete, from the code."""

from __future__ import annotations

import json
import re
from typing import Any

import jsonschema_rs
import pytest
from django.test import Client

from campaigns.accounts.scopes import EVERYTHING, SCOPES
from campaigns.api.app import api
from campaigns.api.document import build_document, describe_rate, find_twins, list_operations
from campaigns.api.envelopes import is_older
from campaigns.api.methods import list_patterns
from campaigns.bucket import Rate
from tests.api import Program

DOCUMENT = build_document()
OPERATIONS = {
    operation["operationId"]: (path, method, operation) for path, method, operation in list_operations(DOCUMENT)
}


def validator(schema: dict[str, Any]) -> jsonschema_rs.Draft202012Validator:
    """Judges values by a schema of the document."""
    whole = {**schema, "components": DOCUMENT["components"]}
    return jsonschema_rs.Draft202012Validator(whole)


def fields_of(schema: dict[str, Any]) -> dict[str, Any]:
    return dict(schema.get("properties", {}))


def test_it_is_public_cacheable_and_the_same_each_time(client: Client) -> None:
    response = client.get("/openapi.json")
    assert (response.status_code, response["Content-Type"]) == (200, "application/json")
    assert "public" in response["Cache-Control"]
    assert response.cookies == {}
    assert json.loads(response.content)["openapi"].startswith("3.1")
    again = client.get("/openapi.json", headers={"if-none-match": response["ETag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_looking_for_its_head_is_fine_and_writing_to_it_is_not(client: Client) -> None:
    assert (client.head("/openapi.json").status_code, client.head("/openapi.json").content) == (200, b"")
    assert client.post("/openapi.json").status_code == 405


def test_every_address_of_the_api_is_in_it() -> None:
    routes = {re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", f"/email/{pattern.pattern}") for pattern in list_patterns(api)}
    assert routes == set(DOCUMENT["paths"])


def test_no_two_models_share_a_name() -> None:
    assert find_twins() == set()


def test_names_of_operations_are_those_of_the_official_clients_and_no_two_are_alike() -> None:
    names = [operation["operationId"] for _, _, operation in list_operations(DOCUMENT)]
    assert len(names) == len(set(names))
    assert {"send_email", "get_email_logs", "reschedule_emails"} <= set(names)


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_says_how_to_come_in_and_what_for(name: str) -> None:
    _, _, operation = OPERATIONS[name]
    assert {scheme for entry in operation["security"] for scheme in entry} == {"App", "Basic", "Bearer"}
    assert EVERYTHING in operation["x-scopes"]
    assert set(operation["x-scopes"]) <= set(SCOPES)
    assert operation["x-rate-limit"]
    assert operation["summary"]
    assert operation["tags"]


@pytest.mark.parametrize("name", OPERATIONS)
def test_its_refusals_are_of_its_family_in_json_and_xml(name: str) -> None:
    path, _, operation = OPERATIONS[name]
    family = "ApiException" if is_older(re.sub(r"\{\w+\}", "1", path)) else "ApiError"
    refusals = {status: answer for status, answer in operation["responses"].items() if status >= "400"}
    assert {"400", "401", "403", "429", "500"} <= set(refusals)
    for answer in refusals.values():
        assert set(answer["content"]) == {"application/json", "application/xml"}
        assert {entry["schema"]["$ref"].rpartition("/")[2] for entry in answer["content"].values()} == {family}
    assert "WWW-Authenticate" in refusals["401"]["headers"]
    assert "Retry-After" in refusals["429"]["headers"]


@pytest.mark.parametrize("name", OPERATIONS)
def test_its_examples_fit_their_schemas(name: str) -> None:
    _, _, operation = OPERATIONS[name]
    for content in operation.get("requestBody", {}).get("content", {}).values():
        if "example" in content:
            validator(content["schema"]).validate(content["example"])
    for answer in operation["responses"].values():
        for content in answer.get("content", {}).values():
            if "example" in content:
                validator(content["schema"]).validate(content["example"])


def test_every_field_has_a_sentence() -> None:
    missing = [
        f"{name}.{field}"
        for name, schema in DOCUMENT["components"]["schemas"].items()
        for field, about in fields_of(schema).items()
        if not about.get("description")
    ]
    for name, (_, _, operation) in OPERATIONS.items():
        missing += [f"{name}({entry['name']})" for entry in operation["parameters"] if not entry["description"]]
        for content in operation.get("requestBody", {}).get("content", {}).values():
            missing += [
                f"{name}[{field}]"
                for field, about in fields_of(content["schema"]).items()
                if not about.get("description")
            ]
    assert missing == []


def test_schemas_that_nothing_refers_to_are_left_out() -> None:
    text = json.dumps(DOCUMENT)
    unused = [name for name in DOCUMENT["components"]["schemas"] if f'"#/components/schemas/{name}"' not in text]
    assert unused == []


@pytest.mark.django_db
def test_the_documented_request_of_send_email_is_accepted() -> None:
    example = OPERATIONS["send_email"][2]["requestBody"]["content"]["application/json"]["example"]
    response = Program().post("/email/4/messages", example)
    assert response.status_code == 200
    answer = OPERATIONS["send_email"][2]["responses"]["200"]["content"]["application/json"]["schema"]
    validator(answer).validate(response.json())


@pytest.mark.parametrize(
    ("rate", "said"),
    [
        (Rate(4000), "4,000 a second"),
        (Rate(2, burst_seconds=60), "120 a minute"),
        (Rate(100 / 60, burst_seconds=60), "100 a minute"),
        (Rate(1, burst_seconds=5), "1 a second, 5 at once"),
        (Rate(1000 / 86_400, burst_seconds=86_400), "1,000 a day"),
    ],
)
def test_limits_are_said_as_people_say_them(rate: Rate, said: str) -> None:
    assert describe_rate(rate) == said


def test_the_api_serves_no_documents_of_the_frameworks_own() -> None:
    assert (api.docs_url, api.openapi_url) == (None, None)
