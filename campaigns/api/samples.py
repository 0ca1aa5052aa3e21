"""Sample values for the document: made from a schema, so that they fit it and are never forgotten."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_REF = "#/components/schemas/"
_FEW = 7  # optional fields a sample of a request still shows
_TIME = "2027-01-31T09:00:00.000+0000"
_ASKED_TIME = "2027-01-31T09:00:00.000Z"
_ARRIVED = {"groupId": 3, "groupName": "DELIVERED", "id": 2, "name": "DELIVERED_TO_OPERATOR",
            "description": "Message delivered to operator"}  # fmt: skip

# What a field of this name holds, where its schema alone would give a dull text. `Schema.field` wins.
_KNOWN: Mapping[str, Any] = {
    "to": "ann@example.com", "from": "Shop <shop@example.org>", "sender": "shop@example.org",
    "replyTo": "help@example.org", "emailAddress": "ann@example.com", "destination": "ann@example.com",
    "messageId": "5b0c2a7e-63f1-4a0d-9b0a-5f9a4f0a7c11", "bulkId": "order-mails-17", "externalBulkId": "order-mails-17",
    "subject": "Your order", "text": "It is on its way.", "html": "<p>It is on its way.</p>", "preheader": "On its way",
    "domainName": "news.example.org", "recipientDomain": "example.com", "returnPathAddress": "bounces@news.example.org",
    "sentAt": _TIME, "doneAt": _TIME, "createdAt": _TIME, "updatedAt": _TIME, "createdDate": _TIME,
    "bulkValidationDate": _TIME, "sendAt": _TIME, "Reschedule.sendAt": _ASKED_TIME, "OlderLogOut.from": "shop@example.org",
    "description": "Message sent to next instance", "groupId": 1, "groupName": "PENDING",
    "StatusOut.id": 7, "StatusOut.name": "PENDING_ENROUTE",
    **dict.fromkeys(("ReportOut.status", "OlderReportOut.status", "LogOut.status", "OlderLogOut.status"), _ARRIVED),
    "FaultOut.groupId": 0, "FaultOut.groupName": "OK", "FaultOut.id": 0, "FaultOut.name": "NO_ERROR",
    "FaultOut.description": "No Error", "permanent": False,
    "messageCount": 1, "pricePerMessage": 0, "currency": "UNKNOWN", "attemptCount": 1, "timeToFirstAttempt": 120,
    "callbackData": "order-7", "entityId": "brand-a", "applicationId": "shop", "campaignReferenceId": "spring",
    "nextCursor": "MTc", "previousCursor": "", "limit": 50, "LogOut.text": "", "OlderLogOut.text": "",
    "errorCode": "E400", "ApiError.description": "Request cannot be processed.",
    "action": "Check the syntax, violations and adjust the request.",
    "property": "messages[0].content.subject", "violation": "must not be blank",
    "ResourceOut.name": "API documentation", "ResourceOut.url": "/docs",
    "ServiceException.messageId": "BAD_REQUEST", "ServiceException.text": "Bad request",
    "validationErrors": {"from": ["must not be blank"]},
    "fileName": "invoice.pdf", "contentType": "application/pdf", "data": "JVBERi0xLjQK",
    "attachments": '[{"contentType": "text/plain", "fileName": "a.txt", "data": "SGVsbG8="}]',
    "placeholders": '{"name": "Ann"}', "url": "https://example.org/callbacks",
    "recordType": "TXT", "expectedValue": "v=DKIM1; k=rsa; p=MIIB…", "DnsRecordOut.name": "s1._domainkey.news.example.org",
    "domainId": 2251799813685248, "templateId": 2251799813685248, "TemplateOut.id": 2251799813685248,
    "TemplateInListOut.id": 2251799813685248, "name": "Order mails", "size": 20, "page": 0, "totalPages": 1,
    "totalResults": 1, "validationRequestId": "signups-17", "validMailbox": "unknown", "risk": "LOW",
    "X-Content-Id": "invoice.pdf", "X-Media-Type": "application/pdf", "X-Validity-Period-Minutes": 1440,
    "uploadedContentId": "7d1f0b9c5e6a4b0f8f7b3a2c1d0e9f8a", "contentId": "7d1f0b9c5e6a4b0f8f7b3a2c1d0e9f8a",
    "targetedDailyTraffic": 1000, "priority": 0, "landingPage": "", "landingPageId": "", "reason": "",
    "Idempotency-Key": "order-4711",
}  # fmt: skip

# The operations people read first show what one would really send.
REQUESTS: Mapping[str, Any] = {
    "send_email": {
        "messages": [
            {
                "sender": "Shop <shop@example.org>",
                "destinations": [
                    {
                        "to": [
                            {
                                "destination": "ann@example.com",
                                "messageId": "order-4711",
                                "placeholders": '{"name": "Ann"}',
                            }
                        ]
                    }
                ],
                "content": {
                    "subject": "Your order, {{name}}",
                    "html": "<p>Dear {{name}}, it is on its way.</p>",
                    "defaultPlaceholders": '{"name": "customer"}',
                },
                "webhooks": {"callbackData": "order-4711"},
            }
        ]
    },
    "send_email_by_form": {
        "from": "Shop <shop@example.org>",
        "to": ["ann@example.com", '{"to": "bob@example.com", "placeholders": {"name": "Bob"}}'],
        "subject": "Your order, {{name}}",
        "html": "<p>Dear {{name}}, it is on its way.</p>",
        "defaultPlaceholders": '{"name": "customer"}',
    },
    "send_mime_email": {
        "mimeMessage": "RnJvbTogU2hvcCA8c2hvcEBleGFtcGxlLm9yZz4NClRvOiBhbm5AZXhhbXBsZS5jb20NClN1YmplY3Q6IFlvdXIgb3JkZXINCg0K"
        "SXQgaXMgb24gaXRzIHdheS4NCg==",
        "messageId": "order-4711",
    },
}


class Sampler:
    """Makes samples of the schemas of one document."""

    def __init__(self, schemas: Mapping[str, Any]) -> None:
        self._schemas = schemas

    def make(self, schema: Mapping[str, Any], *, name: str = "", owner: str = "", whole: bool = True) -> Any:
        """A value that fits; `whole` shows every field, else the needed ones and a few."""
        if isinstance(_KNOWN.get(f"{owner}.{name}"), dict):
            return _KNOWN[f"{owner}.{name}"]
        if "$ref" in schema:
            owner = str(schema["$ref"]).removeprefix(_REF)
            return self.make(self._schemas[owner], name=name, owner=owner, whole=whole)
        choices = [entry for entry in schema.get("anyOf", ()) if entry.get("type") != "null"]
        if choices:
            return self.make(choices[0], name=name, owner=owner, whole=whole)
        if schema.get("type") == "object" and "properties" in schema:
            return self._object(schema, owner=str(schema.get("title", owner)), whole=whole)
        known = self._known(schema, name, owner)
        if known is not None:
            return known
        if schema.get("type") == "array":
            return [self.make(schema.get("items", {}), name=name, owner=owner, whole=whole)]
        return _plain(schema)

    def _object(self, schema: Mapping[str, Any], *, owner: str, whole: bool) -> dict[str, Any]:
        needed, fields = set(schema.get("required", ())), schema["properties"]
        shown = (
            fields if whole or len(fields) <= _FEW else [name for name in fields if name in needed] or list(fields)[:2]
        )
        return {name: self.make(fields[name], name=name, owner=owner, whole=whole) for name in shown}

    def _known(self, schema: Mapping[str, Any], name: str, owner: str) -> Any:
        kind = schema.get("type", "string")
        for key in (f"{owner}.{name}", name):
            if key in _KNOWN and _is(kind, _KNOWN[key]) and _KNOWN[key] in schema.get("enum", [_KNOWN[key]]):
                return _KNOWN[key]
        given = schema.get("examples") or schema.get("enum") or [schema.get("const", schema.get("default"))]
        return given[0] if given[0] not in (None, []) else None


def _is(kind: str, value: Any) -> bool:
    kinds: dict[str, type | tuple[type, ...]] = {
        "string": str,
        "integer": int,
        "number": (int, float),
        "boolean": bool,
        "object": dict,
        "array": list,
    }
    return isinstance(value, kinds[kind]) and (kind == "boolean" or not isinstance(value, bool))


def _plain(schema: Mapping[str, Any]) -> Any:
    match schema.get("type"):
        case "integer" | "number":
            return schema.get("minimum", 1)
        case "boolean":
            return True
        case "object":
            return {}
        case _:
            return _ASKED_TIME if schema.get("format") == "date-time" else "text"
