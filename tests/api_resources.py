"""What tests of the API's resources share: a program that keeps to the rate limits, forms, and the official SDK."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import time_machine
from django.test.client import BOUNDARY, MULTIPART_CONTENT, encode_multipart
from infobip_api_client import ApiClient, Configuration, models
from infobip_api_client.api.email_api import EmailApi

from tests.api import Program

# Its models, which mypy knows only half.
sdk: Any = models


class PatientProgram(Program):
    """A program that waits between its requests, as the clock of the test has it, so that no rate limit stops it."""

    def __init__(self, clock: time_machine.Traveller, **key: Any) -> None:
        super().__init__(**key)
        self.clock = clock

    def wait(self) -> None:
        self.clock.shift(5)

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        self.wait()
        return super().ask(method, path, body, **headers)

    def get(self, path: str, **query: Any) -> Any:
        self.wait()
        return super().get(path, **query)

    def put(self, path: str, body: Any) -> Any:
        return self.ask("PUT", path, body)

    def delete(self, path: str, body: Any = None) -> Any:
        return self.ask("DELETE", path, body)

    def form(self, method: str, path: str, **parts: Any) -> Any:
        """The response to a form."""
        self.wait()
        body = encode_multipart(BOUNDARY, parts)
        return self.client.generic(method, path, body, MULTIPART_CONTENT, headers=self.headers)


class PatientClient(ApiClient):
    """The SDK's client, waiting between its requests as well."""

    def __init__(self, configuration: Configuration, clock: time_machine.Traveller) -> None:
        super().__init__(configuration)
        self._clock = clock

    def call_api(self, *args: Any, **kwargs: Any) -> Any:
        self._clock.shift(5)
        response: Any = super().call_api(*args, **kwargs)
        # Read to its end it gives its connection back, also where the SDK has no use for a body.
        response.read()
        return response


@contextmanager
def official_client(url: str, program: PatientProgram) -> Iterator[Any]:
    """The official client for this server with the program's key; untyped, as its own types contradict each other."""
    assert urlsplit(url).hostname in {"127.0.0.1", "localhost"}  # it takes plain HTTP from nowhere else
    client = PatientClient(Configuration(host=url, api_key=program.secret), program.clock)
    yield EmailApi(client)
    # A connection kept alive keeps a thread of the server, and that one a connection to the database.
    pools = client.rest_client.pool_manager.pools
    for key in pools.keys():  # noqa: SIM118 - it cannot be iterated
        pools[key].close()
    for thread in threading.enumerate():
        if "process_request_thread" in thread.name:
            thread.join(10)


def refusal_of(caught: Any) -> Any:
    """The envelope in an error of the official client, as it understood it."""
    assert caught.value.data is not None, caught.value.body
    return caught.value.data


def faults(response: Any) -> dict[str, str]:
    """What a 400 of either family says of each field."""
    assert response.status_code == 400, response.content
    body = response.json()
    if "violations" in body:
        return {entry["property"]: entry["violation"] for entry in body["violations"]}
    errors: Mapping[str, list[str]] = body["requestError"]["serviceException"].get("validationErrors", {})
    return {name: " ".join(texts) for name, texts in errors.items()}
