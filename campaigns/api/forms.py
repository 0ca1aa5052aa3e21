"""Forms in HTTP bodies: part names in any case, and files in memory only.

Django would write a large file to a readable one in a temporary folder; its contents may be somebody's medical record.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Annotated, Any, TypeVar, get_origin

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.core.files.uploadedfile import InMemoryUploadedFile, UploadedFile
from django.core.files.uploadhandler import FileUploadHandler
from django.http import HttpRequest, QueryDict
from ninja.errors import HttpError
from pydantic import BaseModel, BeforeValidator, ValidationError

from campaigns.api.envelopes import Violation
from campaigns.api.parser import TrimmingParser
from campaigns.api.translate import Refused, list_violations

MULTIPART, URLENCODED = "multipart/form-data", "application/x-www-form-urlencoded"
_TRUE, _FALSE = frozenset({"true", "1", "yes"}), frozenset({"false", "0", "no"})

_Model = TypeVar("_Model", bound=BaseModel)


@dataclass(frozen=True, slots=True, repr=False)
class FormFile:
    """A file of a form, as its sender named and labelled it."""

    name: str
    media_type: str
    data: bytes


class Form:
    """What a form holds. Names of parts match in any case, as clients write them; values keep their order."""

    def __init__(self, values: Iterable[tuple[str, str]], files: Iterable[tuple[str, FormFile]] = ()) -> None:
        self._values: dict[str, list[str]] = defaultdict(list)
        self._files: dict[str, list[FormFile]] = defaultdict(list)
        for name, value in values:
            self._values[_plain(name)].append(value)
        for name, file in files:
            self._files[_plain(name)].append(file)

    def all(self, name: str) -> list[str]:
        """Every value of this name."""
        return list(self._values.get(_plain(name), ()))

    def parts(self) -> Iterator[tuple[str, object]]:
        """Every part by its name in lower case, with its value or file."""
        for held in (self._values, self._files):
            yield from ((name, value) for name, some in held.items() for value in some)

    def files(self, name: str) -> list[FormFile]:
        """Every file of this name."""
        return list(self._files.get(_plain(name), ()))


def read_form(request: HttpRequest) -> Form:
    """The form in a body of any method. Raises HttpError 415, and Django's errors for what is too much or unreadable."""
    kind = (request.content_type or "").lower()
    if kind == URLENCODED:
        return Form(_pairs(QueryDict(request.body, encoding="utf-8")))
    if kind != MULTIPART:
        raise HttpError(415, "")
    request.upload_handlers = [_InMemory(request)]
    values, files = request.parse_file_upload(request.META, request)
    return Form(_pairs(values), ((name, _read_file(file)) for name, file in _pairs(files)))


def read_body(request: HttpRequest, model: type[_Model]) -> _Model:
    """The model in a body that is JSON or a form, as the caller likes; raises Refused and what read_form raises."""
    if (request.content_type or "").lower() in {MULTIPART, URLENCODED}:
        return fill(model, read_form(request))
    return _validate(model, TrimmingParser().parse_body(request))


def fill(model: type[_Model], form: Form) -> _Model:
    """The model with the form's values: lists take all of a name, other fields must be given once. Raises Refused."""
    given: dict[str, Any] = {}
    twice = []
    for name, field in model.model_fields.items():
        shown = field.alias or name
        values = form.all(shown)
        if get_origin(field.annotation) in {list, tuple}:
            given[shown] = values
        elif len(values) > 1:
            twice.append(Violation(shown, "must be given once"))
        elif values:
            given[shown] = values[0]
    if twice:
        raise Refused(*twice)
    return _validate(model, given)


def describe_form(
    model: type[BaseModel], *, files: Sequence[str] = (), kinds: Sequence[str] = (MULTIPART,)
) -> dict[str, Any]:
    """What an operation that reads this form says in OpenAPI (`openapi_extra=`); `files` are parts that hold files."""
    schema = model.model_json_schema()
    # The form is described where it stands, and such references lead nowhere from there.
    assert "$defs" not in schema, "a form holds texts, not objects"
    properties = dict(schema["properties"])
    properties |= {name: {"type": "array", "items": {"type": "string", "format": "binary"}} for name in files}
    content = {kind: {"schema": {**schema, "properties": properties}} for kind in kinds}
    return {"requestBody": {"required": True, "content": content}}


def read_flag(value: Any) -> Any:
    """True or false as clients write them in forms: `True`, `"true"`, `false`; anything else stays, to be refused."""
    text = value.strip().strip("\"'").lower() if isinstance(value, str) else value
    return True if text in _TRUE else False if text in _FALSE else value


Flag = Annotated[bool, BeforeValidator(read_flag)]
"""A field of a form that is true or false."""


def _plain(name: str) -> str:
    return name.strip().lower()


def _pairs(values: Any) -> Iterable[tuple[str, Any]]:
    return ((name, value) for name, some in values.lists() for value in some)


def _read_file(file: UploadedFile[Any]) -> FormFile:
    return FormFile(file.name or "", file.content_type or "application/octet-stream", file.read())


def _validate(model: type[_Model], given: Any) -> _Model:
    try:
        return model.model_validate(given)
    except ValidationError as error:
        # From None: pydantic's sentence quotes what was sent.
        raise Refused(*list_violations(error.errors(include_url=False, include_input=False))) from None


class _InMemory(FileUploadHandler):
    """Keeps files in memory, all together at most as much as a body may have."""

    def __init__(self, request: HttpRequest) -> None:
        super().__init__(request)
        self._left = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        self._buffer = BytesIO()

    def handle_raw_input(
        self,
        input_data: Any,  # noqa: ARG002 - Django's signature
        META: Mapping[str, str],  # noqa: ARG002, N803
        content_length: int,
        boundary: str,  # noqa: ARG002
        encoding: str | None = None,  # noqa: ARG002
    ) -> None:
        # Before a byte of it is read.
        if content_length > self._left:
            raise RequestDataTooBig

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        super().new_file(*args, **kwargs)
        self._buffer = BytesIO()

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:  # noqa: ARG002
        self._left -= len(raw_data)
        if self._left < 0:
            raise RequestDataTooBig
        self._buffer.write(raw_data)

    def file_complete(self, file_size: int) -> InMemoryUploadedFile:
        self._buffer.seek(0)
        name, kind = self.file_name or "", self.content_type or ""
        return InMemoryUploadedFile(self._buffer, self.field_name, name, kind, file_size, self.charset)
