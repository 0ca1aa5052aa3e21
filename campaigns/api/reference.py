"""The document as a page shows it: operations by subject, and their fields as rows."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from campaigns.api.document import list_operations

_REF = "#/components/schemas/"
_DEEPEST = 8
_MULTIPART, _OCTETS = "multipart/form-data", "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Row:
    """One field: `path` as in `messages[].sender`, `kind` in words, `limits` such as `1 to 1,000 characters`."""

    path: str
    depth: int
    kind: str
    is_required: bool
    about: str
    limits: str


@dataclass(frozen=True, slots=True)
class Body:
    """What is sent or answered in one content type."""

    kind: str
    rows: tuple[Row, ...]
    sample: str


@dataclass(frozen=True, slots=True)
class Answer:
    status: str
    about: str
    bodies: tuple[Body, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """One operation."""

    id: str
    method: str
    path: str
    summary: str
    about: str
    scopes: tuple[str, ...]
    rate: str
    parameters: tuple[Row, ...]
    bodies: tuple[Body, ...]
    answers: tuple[Answer, ...]
    refusals: str
    family: str
    curl: str


@dataclass(frozen=True, slots=True)
class Subject:
    name: str
    id: str
    entries: tuple[Entry, ...]


def list_subjects(document: Mapping[str, Any]) -> tuple[Subject, ...]:
    """Every operation, by subject, in the order of the document."""
    reader = _Reader(document)
    found: dict[str, list[Entry]] = {tag["name"]: [] for tag in document["tags"]}
    for path, method, operation in list_operations(document):
        found[operation["tags"][0]].append(reader.read(path, method, operation))
    return tuple(Subject(name, name.lower().replace(" ", "-"), tuple(entries)) for name, entries in found.items())


class _Reader:
    def __init__(self, document: Mapping[str, Any]) -> None:
        self._schemas: Mapping[str, Any] = document["components"]["schemas"]
        self._server: str = document["servers"][0]["url"]

    def read(self, path: str, method: str, operation: Mapping[str, Any]) -> Entry:
        contents = operation.get("requestBody", {}).get("content", {})
        answers, refused = [], []
        for status, answer in operation["responses"].items():
            if int(status) < 400:
                bodies = tuple(self._body(kind, entry) for kind, entry in answer.get("content", {}).items())
                answers.append(Answer(status, answer["description"], bodies))
            else:
                refused.append(status)
        schema = operation["responses"][refused[0]]["content"]["application/json"]["schema"]
        return Entry(
            id=operation["operationId"],
            method=method,
            path=path,
            summary=operation["summary"],
            about=operation.get("description", ""),
            scopes=tuple(operation["x-scopes"]),
            rate=operation["x-rate-limit"],
            parameters=tuple(self._parameter(entry) for entry in operation["parameters"]),
            bodies=tuple(self._body(kind, entry) for kind, entry in contents.items()),
            answers=tuple(answers),
            refusals=", ".join(refused),
            family=schema["$ref"].removeprefix(_REF),
            curl=self._curl(path, method, operation),
        )

    def _parameter(self, entry: Mapping[str, Any]) -> Row:
        kind = f"{self._kind(entry['schema'])}, in the {entry['in']}"
        return Row(entry["name"], 0, kind, entry["required"], entry["description"], _limits(entry["schema"]))

    def _body(self, kind: str, content: Mapping[str, Any]) -> Body:
        sample = content.get("example")
        shown = json.dumps(sample, indent=2, ensure_ascii=False) if sample is not None else ""
        return Body(kind, tuple(self._rows(content["schema"], path="", depth=0)), shown)

    def _rows(self, schema: Mapping[str, Any], *, path: str, depth: int) -> Iterator[Row]:
        schema, is_list = self._inside(schema)
        path = f"{path}[]" if is_list else path
        needed = schema.get("required", ())
        for name, given in schema.get("properties", {}).items() if depth < _DEEPEST else ():
            here = f"{path}.{name}" if path else name
            field, many = self._inside(given)
            about = given.get("description") or field.get("description", "")
            yield Row(here, depth, self._kind(given), name in needed, about, _limits(_plain(given)) or _limits(field))
            if "properties" in field:
                yield from self._rows(field, path=f"{here}[]" if many else here, depth=depth + 1)

    def _inside(self, schema: Mapping[str, Any]) -> tuple[Mapping[str, Any], bool]:
        """What a field holds, and whether it is a list of it."""
        schema, is_list = _plain(schema), False
        while "$ref" in schema or schema.get("type") == "array":
            if "$ref" in schema:
                schema = _plain(self._schemas[schema["$ref"].removeprefix(_REF)])
            else:
                schema, is_list = _plain(schema.get("items", {})), True
        return schema, is_list

    def _kind(self, schema: Mapping[str, Any]) -> str:
        field, is_list = self._inside(schema)
        word = _word(field)
        return f"list of {word}s" if is_list and not word.endswith("”") else f"list of {word}" if is_list else word

    def _curl(self, path: str, method: str, operation: Mapping[str, Any]) -> str:
        query = [entry for entry in operation["parameters"] if entry["in"] == "query" and entry["required"]]
        text = "&".join(f"{entry['name']}=…" for entry in query)
        address = f"{self._server}{path}{f'?{text}' if text else ''}"
        verb = "" if method == "GET" else f" -X {method}"
        lines = [f'curl{verb} "{address}"', '-H "Authorization: App $API_KEY"']
        lines += [
            f'-H "{entry["name"]}: …"'
            for entry in operation["parameters"]
            if entry["in"] == "header" and entry["required"]
        ]
        contents = operation.get("requestBody", {}).get("content", {})
        if contents:
            kind, content = next(iter(contents.items()))
            lines += _curl_body(kind, content.get("example"))
        return " \\\n  ".join(lines)


def _curl_body(kind: str, sample: Any) -> Sequence[str]:
    if kind == _OCTETS:
        return [f'-H "Content-Type: {kind}"', "--data-binary @invoice.pdf"]
    if kind == _MULTIPART:
        pairs = [
            (name, one) for name, value in sample.items() for one in (value if isinstance(value, list) else [value])
        ]
        # --form-string: a value may begin with @ or <, which -F would read as files.
        return [f"--form-string {shlex.quote(f'{name}={value}')}" for name, value in pairs]
    return [f'-H "Content-Type: {kind}"', f"-d {shlex.quote(json.dumps(sample, indent=2, ensure_ascii=False))}"]


def _plain(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Without the null that stands for leaving a field out."""
    choices = [entry for entry in schema.get("anyOf", ()) if entry.get("type") != "null"]
    return choices[0] if choices else schema


def _word(schema: Mapping[str, Any]) -> str:
    if "enum" in schema:
        return "one of " + ", ".join(f"“{value}”" for value in schema["enum"])
    if "const" in schema:
        return f"“{schema['const']}”"
    if schema.get("format") == "date-time":
        return "time"
    if schema.get("format") == "binary":
        return "file"
    return {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false"}.get(
        schema.get("type", ""), "object"
    )


def _limits(schema: Mapping[str, Any]) -> str:
    schema = _plain(schema)
    for low, high, unit in (("minLength", "maxLength", " characters"), ("minItems", "maxItems", " entries"),
                            ("minimum", "maximum", "")):  # fmt: skip
        least, most = schema.get(low), schema.get(high)
        if least is not None and most is not None:
            return f"{least:,} to {most:,}{unit}"
        if most is not None:
            return f"at most {most:,}{unit}"
        if least is not None:
            return f"at least {least:,}{unit}"
    return ""
