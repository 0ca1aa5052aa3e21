"""Requests made up from our own document: never a 5xx, never an answer the document does not know (schemathesis)."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
import time_machine
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections
from django.utils import timezone
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi import checks

from campaigns.api import validation
from campaigns.api.document import build_document
from campaigns.numbers import number_of
from campaigns.outbox import pools
from tests.api_resources import PatientProgram
from tests.dns_server import DnsServer
from tests.factories import make_version

pytestmark = pytest.mark.django_db

# For each operation, the same on every run; all of them together stay below a minute. FUZZ=300 looks longer.
EXAMPLES = int(os.environ.get("FUZZ", "12"))
CHECKS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]


def shorten(value: Any) -> Any:
    """The same with short lists only: making up long ones takes most of the time and finds nothing more."""
    if isinstance(value, list):
        return [shorten(entry) for entry in value]
    if not isinstance(value, dict):
        return value
    short = {name: shorten(entry) for name, entry in value.items()}
    return short | {"maxItems": 2} if value.get("type") == "array" else short


def document_to_fuzz() -> dict[str, Any]:
    """The document; only what is sent has short lists, answers may be as long as they like."""
    document = build_document()
    schemas = document["components"]["schemas"]
    answered = {name for name in schemas if name.endswith("Out") or name.startswith("Api")}
    paths = {
        path: {method: entry | {"requestBody": shorten(entry["requestBody"])} if "requestBody" in entry else entry
               for method, entry in methods.items()}
        for path, methods in document["paths"].items()
    }  # fmt: skip
    short = {name: schema if name in answered else shorten(schema) for name, schema in schemas.items()}
    return {**document, "paths": paths, "components": {**document["components"], "schemas": short}}


config = schemathesis.Config.from_dict(
    {"phases": {"coverage": {"enabled": bool(os.environ.get("COVERAGE"))}, "examples": {"enabled": False}}}
)
schema = schemathesis.openapi.from_dict(document_to_fuzz(), config=config)
schema.app = get_wsgi_application()


class Known:
    """A program, and one of each thing that addresses of the API name, so that not every request ends in a 404."""

    def __init__(self, clock: time_machine.Traveller) -> None:
        self.program = PatientProgram(clock)
        account, domain = self.program.account, self.program.domain
        way = account.transports.get()
        pool = pools.create_pool(account, name="Pool")
        pools.add_member(pool, way=way)
        pools.assign_pool(domain, pool=pool, priority=0)
        template = make_version(account).template
        self.ids: dict[str, Any] = {
            "domainName": domain.name, "domainId": number_of(domain.public_id), "poolId": pool.public_id.hex,
            "ipId": way.public_id.hex, "templateId": number_of(template.public_id), "attachmentId": "0" * 32,
        }  # fmt: skip

    def ask(self, case: Any) -> Any:
        """The response to a request of every second kind to known things, of the others to whatever was made up."""
        self.program.wait()
        for name in case.path_parameters or {}:
            if zlib.crc32(repr((case.body, case.path_parameters)).encode()) % 4:
                case.path_parameters[name] = self.ids[name]
        return case.call(headers={"Authorization": f"App {self.program.secret}"})


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> Iterator[Known]:
    # A request of a real server begins and ends with looking after the connection, which is in the middle of the test's
    # transaction here.
    signals = (request_started, request_finished)
    for signal in signals:
        signal.disconnect(close_old_connections)
    with DnsServer() as dns, time_machine.travel(timezone.now(), tick=False) as clock:
        monkeypatch.setattr(validation, "make_resolver", lambda: dns.resolver)
        yield Known(clock)
    for signal in signals:
        signal.connect(close_old_connections)


@schema.parametrize()
@settings(
    max_examples=EXAMPLES,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@pytest.mark.timeout(60 + 10 * EXAMPLES)
def test_no_request_gets_an_answer_that_is_not_documented(case: Any, known: Known) -> None:
    case.validate_response(known.ask(case), checks=CHECKS)
