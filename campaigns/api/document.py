"""The OpenAPI 3.1 document of the Email API, made from its code once in the life of a process."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from django.conf import settings
from ninja import NinjaAPI
from ninja.openapi.schema import OpenAPISchema
from ninja.operation import Operation

from campaigns.accounts.limits import OPERATIONS
from campaigns.accounts.scopes import EVERYTHING
from campaigns.api.allow import Allow
from campaigns.api.app import api
from campaigns.api.envelopes import is_older
from campaigns.api.glossary import find_gloss
from campaigns.api.samples import REQUESTS, Sampler
from campaigns.bucket import Rate

SECURITY_SCHEMES: Mapping[str, Mapping[str, str]] = {
    "App": {"type": "apiKey", "in": "header", "name": "Authorization", "description": "`App KEY`, Infobip's form."},
    "Basic": {"type": "http", "scheme": "basic", "description": "`App` as the name and the key as the password, or a person's."},
    "Bearer": {"type": "http", "scheme": "bearer", "description": "`Bearer KEY`: the same key."},
}  # fmt: skip
_ANY_OF_THEM: list[dict[str, list[str]]] = [{name: []} for name in SECURITY_SCHEMES]
_HEADERS: Mapping[str, Mapping[str, Any]] = {
    "401": {"WWW-Authenticate": {"description": "The ways to come in.", "schema": {"type": "string"}}},
    "429": {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 1}}},
}
_BODY_ONLY = ("413", "415")
_REF = re.compile(r"#/components/schemas/(.+)")
_JSON, _XML = "application/json", "application/xml"


class _Collector(OpenAPISchema):
    """The framework's document; `twins` are names that two different models share, which would mix them up."""

    def __init__(self, api: NinjaAPI) -> None:
        self.twins: set[str] = set()
        super().__init__(api, "email")

    def add_schema_definitions(self, definitions: dict[str, Any]) -> None:
        self.twins |= {name for name, found in definitions.items() if self.schemas.get(name, found) != found}
        super().add_schema_definitions(definitions)

    def _create_schema_from_model(self, *args: Any, **kwargs: Any) -> tuple[dict[str, Any], bool]:
        # Names of the wire, whatever an operation says about its answers.
        return super()._create_schema_from_model(*args, **{**kwargs, "by_alias": True})

    def operation_details(self, operation: Operation) -> dict[str, Any]:
        details = super().operation_details(operation)
        allow = next((entry for entry in operation.auth_callbacks if isinstance(entry, Allow)), None)
        if allow is not None:
            details["security"] = copy.deepcopy(_ANY_OF_THEM)
            details["x-scopes"] = sorted({EVERYTHING, *allow.scopes})
            details["x-rate-limit"] = ", ".join(map(describe_rate, OPERATIONS[allow.operation]))
        return details


@cache
def build_document() -> dict[str, Any]:
    """The whole document; everybody gets the same one, so nobody may change it."""
    collected = _Collector(api)
    document: dict[str, Any] = copy.deepcopy(dict(collected))
    document["servers"] = [{"url": settings.PUBLIC_URL}]
    document["info"]["license"] = {"name": "Apache 2.0", "identifier": "Apache-2.0"}
    document["security"] = copy.deepcopy(_ANY_OF_THEM)
    document["tags"] = _list_tags(document)
    components = document["components"]
    components["securitySchemes"] = copy.deepcopy(dict(SECURITY_SCHEMES))
    components["schemas"] = _only_used(document)
    sampler = Sampler(components["schemas"])
    for path, _, operation in list_operations(document):
        _finish(operation, path=path, sampler=sampler)
    _explain(document)
    return document


def find_twins() -> set[str]:
    """Names that two models share: the document would tell one of them for both."""
    return _Collector(api).twins & set(build_document()["components"]["schemas"])


def list_operations(document: Mapping[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(path, method, operation) of every operation, in the order of the document."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method.upper(), operation


def describe_rate(rate: Rate) -> str:
    """Such as `120 a minute`, or `1 a second, 5 at once`."""
    for seconds, unit in ((1, "second"), (60, "minute"), (86_400, "day")):
        count = rate.per_second * seconds
        if count >= 1 and (seconds == 1 or rate.per_second < 1 or rate.burst_seconds >= seconds):
            if unit == "second" and rate.burst_seconds >= 60:
                continue
            burst = f", {rate.burst:g} at once" if rate.burst > count else ""
            return f"{round(count):,} a {unit}{burst}"
    return f"{rate.per_second:g} a second"


def _list_tags(document: Mapping[str, Any]) -> list[dict[str, str]]:
    names = [tag for _, _, operation in list_operations(document) for tag in operation.get("tags", ())]
    return [{"name": name} for name in dict.fromkeys(names)]


def _only_used(document: Mapping[str, Any]) -> dict[str, Any]:
    """The schemas that something refers to: those of queries are told as parameters."""
    schemas = document["components"]["schemas"]
    found: dict[str, Any] = {}
    waiting = list(_references(document["paths"]))
    while waiting:
        name = waiting.pop()
        if name not in found:
            found[name] = schemas[name]
            waiting += _references(schemas[name])
    return dict(sorted(found.items()))


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str) and (match := _REF.fullmatch(value["$ref"])):
            yield match[1]
        for entry in value.values():
            yield from _references(entry)
    elif isinstance(value, list):
        for entry in value:
            yield from _references(entry)


def _finish(operation: dict[str, Any], *, path: str, sampler: Sampler) -> None:
    """Answers as they really are, and samples of what is sent and answered."""
    for parameter in operation["parameters"]:
        _finish_parameter(parameter)
    operation["responses"] = {str(status): answer for status, answer in operation["responses"].items()}
    body = operation.get("requestBody")
    if body is None:
        for status in _BODY_ONLY:
            operation["responses"].pop(status, None)
    for kind, content in (body or {}).get("content", {}).items():
        if not kind.startswith("application/octet"):
            sample = REQUESTS.get(operation["operationId"]) or sampler.make(content["schema"], whole=False)
            content["example"] = sample
    for status, answer in operation["responses"].items():
        _finish_answer(answer, status=status, path=path, sampler=sampler)


def _finish_parameter(parameter: dict[str, Any]) -> None:
    # What is not asked for is left out of a query, never null.
    schema = parameter["schema"]
    choices = [entry for entry in schema.pop("anyOf", ()) if entry.get("type") != "null"]
    if choices:
        schema |= choices[0]
    schema.pop("title", None)
    if not parameter.get("description"):
        parameter["description"] = find_gloss("", parameter["name"], is_request=True)
    parameter.pop("examples", None)


def _finish_answer(answer: dict[str, Any], *, status: str, path: str, sampler: Sampler) -> None:
    content = answer.get("content", {})
    if status in _HEADERS:
        answer["headers"] = copy.deepcopy(dict(_HEADERS[status]))
    if int(status) >= 400:
        family = "ApiException" if is_older(re.sub(r"\{\w+\}", "1", path)) else "ApiError"
        schema = {"$ref": f"#/components/schemas/{family}"}
        answer["content"] = {_JSON: {"schema": schema}, _XML: {"schema": dict(schema)}}
    elif _JSON in content:
        content[_JSON]["example"] = sampler.make(content[_JSON]["schema"])


def _explain(document: Mapping[str, Any]) -> None:
    """A sentence for every field; the words the framework makes of their names say nothing."""
    schemas = document["components"]["schemas"]
    asked = set()
    waiting = [
        name for _, _, operation in list_operations(document) for name in _references(operation.get("requestBody"))
    ]
    while waiting:
        name = waiting.pop()
        if name not in asked:
            asked.add(name)
            waiting += _references(schemas[name])
    for name, schema in schemas.items():
        _explain_fields(name, schema, is_request=name in asked)
    for _, _, operation in list_operations(document):
        for content in operation.get("requestBody", {}).get("content", {}).values():
            if "properties" in content["schema"]:
                _explain_fields(content["schema"].get("title", ""), content["schema"], is_request=True)


def _explain_fields(name: str, schema: dict[str, Any], *, is_request: bool) -> None:
    for field, about in schema.get("properties", {}).items():
        about.pop("title", None)
        if not about.get("description") and (gloss := find_gloss(name, field, is_request=is_request)):
            about["description"] = gloss
