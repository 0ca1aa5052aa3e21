"""Access tokens for mailboxes at Microsoft and Google (OAuth 2.0, RFC 6749)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode

from campaigns.inbound.clients import MailboxTrouble
from campaigns.net import http
from campaigns.net.destinations import NetError

SILENCE_SECONDS = 15.0
# A token that ends while it is being used is of no use.
_MARGIN = timedelta(minutes=5)
_TENANT = re.compile(r"[A-Za-z0-9.-]{1,100}").fullmatch


@dataclass(frozen=True, slots=True)
class Issuer:
    """Who gives tokens. `scope` is for a stored consent, `app_scope` for an application on its own, empty where none."""

    url: str
    scope: str = ""
    app_scope: str = ""


ISSUERS = {
    "microsoft": Issuer(
        "https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token",
        scope="https://outlook.office.com/IMAP.AccessAsUser.All https://outlook.office.com/POP.AccessAsUser.All offline_access",
        app_scope="https://outlook.office365.com/.default",
    ),
    "google": Issuer("https://oauth2.googleapis.com/token"),
}


def refresh_token(login: str, secrets: Mapping[str, Any], *, now: datetime) -> dict[str, Any]:
    """The secrets with an access token that is good for a while; raises MailboxTrouble.

    They change when a new token was fetched: store them, for the old refresh token may be worth nothing any more.
    """
    expires = secrets.get("expires_at")
    if secrets.get("access_token") and isinstance(expires, (int, float)) and expires > (now + _MARGIN).timestamp():
        return dict(secrets)
    issuer = ISSUERS[login]
    tenant = str(secrets.get("tenant") or "common")
    if not _TENANT(tenant):
        raise _refused()
    fields = {"client_id": secrets.get("client_id", ""), "client_secret": secrets.get("client_secret", "")}
    if secrets.get("refresh_token"):
        fields |= {"grant_type": "refresh_token", "refresh_token": secrets["refresh_token"], "scope": issuer.scope}
    elif issuer.app_scope:
        fields |= {"grant_type": "client_credentials", "scope": issuer.app_scope}
    else:
        raise _refused()
    answer = _ask(issuer.url.format(tenant=quote(tenant)), {name: value for name, value in fields.items() if value})
    lasts = answer.get("expires_in")
    seconds = min(float(lasts), 86_400.0) if isinstance(lasts, (int, float)) else 300.0
    fresh = {"access_token": answer["access_token"], "expires_at": (now + timedelta(seconds=seconds)).timestamp()}
    if isinstance(answer.get("refresh_token"), str):
        fresh["refresh_token"] = answer["refresh_token"]
    return {**secrets, **fresh}


def _ask(url: str, fields: Mapping[str, str]) -> dict[str, Any]:
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
    with http.Session(silence=SILENCE_SECONDS, max_bytes=256 * 1024) as session:
        try:
            answer = http.ask(session, "POST", url, body=urlencode(fields).encode("ascii"), headers=headers)
            found = answer.json()
        except (NetError, ValueError):
            raise MailboxTrouble("mailbox.unreachable", "The provider that lets us in does not answer.") from None
    given: dict[str, Any] = found if isinstance(found, dict) else {}
    token = given.get("access_token")
    if answer.status != 200 or not isinstance(token, str) or not token.isascii() or not token.isprintable():
        raise _refused()
    return given


def _refused() -> MailboxTrouble:
    return MailboxTrouble(
        "mailbox.login-refused",
        "The provider does not let this application in.",
        action="Give consent once more and enter the new secrets.",
    )
