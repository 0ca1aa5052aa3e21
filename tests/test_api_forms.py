"""Forms at the API's door: any case of names, files in memory only, nothing said twice, no value quoted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from django.core.exceptions import RequestDataTooBig, TooManyFieldsSent
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpRequest
from django.http.multipartparser import MultiPartParserError
from django.test import RequestFactory
from django.test.client import BOUNDARY, MULTIPART_CONTENT, encode_multipart
from ninja.errors import HttpError
from pydantic import BaseModel, Field

from campaigns.api.forms import Flag, Form, FormFile, describe_form, fill, read_body, read_form
from campaigns.api.translate import Refused

post = RequestFactory().post


class Letter(BaseModel):
    to: list[str] = Field(min_length=1)
    reply_to: str = Field("", alias="replyTo", max_length=20)
    track: Flag = True


def make_form(method: str = "POST", **parts: Any) -> HttpRequest:
    body = encode_multipart(BOUNDARY, parts)
    return RequestFactory().generic(method, "/", body, content_type=MULTIPART_CONTENT)


@pytest.mark.parametrize("name", ["replyTo", "replyto", "REPLYTO", " replyTo "])
def test_names_of_parts_match_in_any_case(name: str) -> None:
    assert read_form(make_form(**{name: "a@b.example"})).all("replyTo") == ["a@b.example"]


def test_values_of_one_name_keep_their_order() -> None:
    form = read_form(make_form(to=["c@x.example", "a@x.example", "b@x.example"]))
    assert form.all("to") == ["c@x.example", "a@x.example", "b@x.example"]


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
def test_a_form_is_read_from_a_request_of_any_method(method: str) -> None:
    file = SimpleUploadedFile("a.txt", b"hello", content_type="text/plain")
    form = read_form(make_form(method, html="<p>Hi</p>", attachment=[file, SimpleUploadedFile("b", b"\x00\xff")]))
    assert form.all("html") == ["<p>Hi</p>"]
    first, second = form.files("Attachment")
    assert (first.name, first.media_type, first.data) == ("a.txt", "text/plain", b"hello")
    assert second.data == b"\x00\xff"


def test_a_large_file_stays_in_memory(settings: LazySettings, tmp_path: Path) -> None:
    settings.FILE_UPLOAD_TEMP_DIR = str(tmp_path / "nowhere")  # whoever writes there fails
    settings.FILE_UPLOAD_MAX_MEMORY_SIZE = 10
    data = b"x" * 3_000_000
    (file,) = read_form(make_form(attachment=SimpleUploadedFile("big.bin", data))).files("attachment")
    assert file.data == data


def test_a_form_that_is_too_large_is_refused_before_it_is_read(settings: LazySettings) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
    request = make_form(attachment=SimpleUploadedFile("big.bin", b"x" * 2000))
    with pytest.raises(RequestDataTooBig):
        read_form(request)
    assert request.read(5) == f"--{BOUNDARY}".encode()[:5]


def test_files_cannot_add_up_to_more_than_a_body_may_have(settings: LazySettings) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
    request = make_form(attachment=[SimpleUploadedFile(f"{n}.bin", b"x" * 600) for n in range(2)])
    request.META["CONTENT_LENGTH"] = str(900)  # a lie
    with pytest.raises((RequestDataTooBig, MultiPartParserError)):
        read_form(request)


def test_too_many_parts_are_refused(settings: LazySettings) -> None:
    settings.DATA_UPLOAD_MAX_NUMBER_FIELDS = 3
    with pytest.raises(TooManyFieldsSent):
        read_form(make_form(to=["a", "b", "c", "d"]))
    with pytest.raises(TooManyFieldsSent):
        read_form(post("/", b"a=1&b=2&c=3&d=4", content_type="application/x-www-form-urlencoded"))


@pytest.mark.parametrize("kind", ["text/plain", "application/octet-stream", "multipart/mixed; boundary=b", ""])
def test_other_types_of_content_are_refused(kind: str) -> None:
    with pytest.raises(HttpError) as caught:
        read_form(post("/", b"to=a", content_type=kind))
    assert caught.value.status_code == 415


def test_a_form_without_boundary_cannot_be_read() -> None:
    with pytest.raises(MultiPartParserError):
        read_form(post("/", b"--b--", content_type="multipart/form-data"))


def test_lists_take_all_values_and_fields_one() -> None:
    letter = fill(Letter, Form([("TO", "a"), ("to", "b"), ("ReplyTo", "c"), ("unknown", "d")]))
    assert letter == Letter(to=["a", "b"], replyTo="c")
    assert letter.model_fields_set == {"to", "reply_to"}


def test_a_field_given_twice_is_refused_by_its_path() -> None:
    with pytest.raises(Refused) as caught:
        fill(Letter, Form([("to", "a"), ("replyTo", "secret"), ("replyto", "secret")]))
    (violation,) = caught.value.violations
    assert (violation.property, violation.text) == ("replyTo", "must be given once")


def test_a_fault_names_its_field_and_quotes_no_value() -> None:
    with pytest.raises(Refused) as caught:
        fill(Letter, Form([("replyTo", "secret" * 9), ("track", "perhaps")]))
    found = {violation.property: violation.text for violation in caught.value.violations}
    assert found.keys() == {"to", "replyTo", "track"}
    assert "secret" not in repr(found)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("text", "flag"),
    [
        ("True", True),
        ("true", True),
        ('"true"', True),
        ("1", True),
        ("False", False),
        ("'false'", False),
        (" no ", False),
    ],
)
def test_flags_are_read_as_clients_write_them(text: str, flag: bool) -> None:
    assert fill(Letter, Form([("to", "a"), ("track", text)])).track is flag


def test_a_body_may_be_json_or_a_form() -> None:
    wanted = Letter(to=["a"], replyTo="c")
    assert read_body(post("/", b'{"to":["a"],"replyTo ":"c"}', content_type="application/json"), Letter) == wanted
    assert read_body(make_form(to="a", replyTo="c"), Letter) == wanted
    assert read_body(post("/", b"to=a&replyto=c", content_type="application/x-www-form-urlencoded"), Letter) == wanted


def test_a_form_is_described_for_openapi() -> None:
    described = describe_form(Letter, files=["attachment"])["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert described["required"] == ["to"]
    assert described["properties"].keys() == {"to", "replyTo", "track", "attachment"}


def test_a_file_shows_nothing_in_a_traceback() -> None:
    assert "secret" not in repr(FormFile("secret.txt", "text/plain", b"secret"))
