"""Endpoints of an account: made, changed, given a new secret, switched off and on. Secrets are shown once."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction

from campaigns.errors import CampaignError
from campaigns.models import (
    Account,
    BaaStatus,
    DeliveryState,
    EndpointState,
    WebhookDelivery,
    WebhookEndpoint,
    WebhookFormat,
    WebhookKind,
    WebhookSecurity,
)
from campaigns.net.destinations import check_public_url
from campaigns.webhooks import bell
from campaigns.webhooks.addresses import host_of
from campaigns.webhooks.signing import ALGORITHMS, Signer, make_secret
from compliance import vault

LONGEST_URL = 512
MOST_PER_REQUEST = 2000
OLD_SECRET_COUNTS = timedelta(hours=24)
_SIGNED = {WebhookSecurity.STANDARD, WebhookSecurity.HMAC}


@dataclass(frozen=True, slots=True, repr=False)
class Config:
    """What is sealed: the address and how calls are signed. `old_until` is when `old_secret` stops counting."""

    url: str = ""
    secret: str = ""
    old_secret: str = ""
    old_until: str = ""
    algorithm: str = "SHA_256"
    username: str = ""
    password: str = ""

    def signer(self, security: str, *, now: datetime) -> Signer:
        """What calls are signed with at this moment: for a day with the old secret, too."""
        old_counts = bool(self.old_secret) and now < datetime.fromisoformat(self.old_until)
        secrets = (self.secret, self.old_secret) if old_counts else (self.secret,)
        return Signer(
            WebhookSecurity(security),
            tuple(secret for secret in secrets if secret),
            self.algorithm,
            self.username,
            self.password,
        )


@dataclass(frozen=True, slots=True, repr=False)
class Wish:
    """What a person enters; an empty password keeps the one that is stored."""

    name: str
    url: str
    kinds: Collection[WebhookKind]
    form: WebhookFormat = WebhookFormat.JSON
    security: WebhookSecurity = WebhookSecurity.STANDARD
    algorithm: str = "SHA_256"
    username: str = ""
    password: str = ""
    max_bucket: int = 200


def create_endpoint(account: Account, wish: Wish) -> tuple[WebhookEndpoint, str]:
    """A new endpoint, and its secret where it has one; raises CampaignError."""
    endpoint = WebhookEndpoint(account=account)
    secret = make_secret(wish.security) if wish.security in _SIGNED else ""
    _write(endpoint, wish, secret=Config(secret=secret))
    return endpoint, secret


def change_endpoint(endpoint: WebhookEndpoint, wish: Wish) -> str:
    """Change what it wants; raises CampaignError.

    Another kind of security, and settings that do not open any more, make a new secret, which is returned.
    """
    try:
        stored = read_config(endpoint)
    except CampaignError:
        stored = None
    if stored is not None and wish.security == endpoint.security:
        _write(endpoint, wish, secret=stored)
        return ""
    secret = make_secret(wish.security) if wish.security in _SIGNED else ""
    _write(endpoint, wish, secret=Config(secret=secret))
    return secret


def rotate_secret(endpoint: WebhookEndpoint, *, now: datetime) -> str:
    """A new secret; for a day calls are signed with the old one as well, so that receivers can change in peace."""
    if endpoint.security not in _SIGNED:
        raise CampaignError("webhook.no-secret", "This webhook has no secret of ours.", status=409)
    stored = read_config(endpoint)
    fresh = make_secret(WebhookSecurity(endpoint.security))
    until = (now + OLD_SECRET_COUNTS).isoformat()
    _save(endpoint, replace(stored, secret=fresh, old_secret=stored.secret, old_until=until))
    return fresh


def switch_off(endpoint: WebhookEndpoint) -> None:
    """Nothing is told to it and nothing is kept for it from now on; what waited is given up."""
    with transaction.atomic():
        WebhookEndpoint.objects.filter(pk=endpoint.pk).update(
            state=EndpointState.OFF, state_because="", failures=0, failing_since=None, paused_until=None
        )
        waiting = WebhookDelivery.objects.filter(endpoint=endpoint, state=DeliveryState.WAITING)
        waiting.update(state=DeliveryState.LOST, last_code="webhook.switched-off")
    endpoint.refresh_from_db()


def switch_on(endpoint: WebhookEndpoint) -> None:
    """It is told again, first what was kept since we stopped."""
    WebhookEndpoint.objects.filter(pk=endpoint.pk).update(
        state=EndpointState.ACTIVE, state_because="", failures=0, failing_since=None, paused_until=None
    )
    endpoint.refresh_from_db()
    bell.ring()


def find_host(account: Account, url: str) -> int | None:
    """The number of the endpoint that stands for the host of an address in a request; None for one we cannot call."""
    try:
        host = host_of(check_public_url(url))
    except CampaignError:
        return None
    found = WebhookEndpoint.objects.filter(account=account, host=host, is_of_requests=True)
    pk = found.values_list("pk", flat=True).first()
    if pk is None:
        fresh = WebhookEndpoint(
            account=account, host=host, is_of_requests=True, kinds=0, security=WebhookSecurity.NONE,
            name=host[:80],
        )  # fmt: skip
        WebhookEndpoint.objects.bulk_create([fresh], ignore_conflicts=True)
        pk = found.values_list("pk", flat=True).first()
    return pk


def read_config(endpoint: WebhookEndpoint) -> Config:
    """Its address and secrets; raises CampaignError `webhook.secret-broken`."""
    try:
        return Config(**json.loads(vault.unseal(bytes(endpoint.config_sealed), **_context(endpoint))))
    except vault.SealBroken:
        raise CampaignError(
            "webhook.secret-broken",
            "The stored settings cannot be opened with the keys of this installation.",
            action="Enter the address again.",
        ) from None


def _write(endpoint: WebhookEndpoint, wish: Wish, *, secret: Config) -> None:
    url = check_public_url(wish.url, longest=LONGEST_URL)
    _check_wish(endpoint.account, wish)
    # A password does not follow to another server: whoever may edit this could have it sent to their own.
    kept = secret.password if secret.url == url else ""
    password = (wish.password or kept) if wish.security == WebhookSecurity.BASIC else ""
    if wish.security == WebhookSecurity.BASIC and not (wish.username and password):
        raise CampaignError("webhook.password-missing", "Enter the user name and the password.")
    endpoint.name, endpoint.host = wish.name, host_of(url)
    endpoint.kinds = sum(set(wish.kinds))
    endpoint.format, endpoint.security, endpoint.max_bucket = wish.form, wish.security, wish.max_bucket
    username = wish.username if wish.security == WebhookSecurity.BASIC else ""
    algorithm = wish.algorithm if wish.algorithm in ALGORITHMS else "SHA_256"
    _save(endpoint, replace(secret, url=url, username=username, password=password, algorithm=algorithm))


def _check_wish(account: Account, wish: Wish) -> None:
    if not wish.kinds:
        raise CampaignError("webhook.kinds-missing", "Choose at least one thing to be told about.")
    if not 1 <= wish.max_bucket <= MOST_PER_REQUEST:
        raise CampaignError("webhook.bucket-invalid", f"One request has 1 to {MOST_PER_REQUEST} reports.")
    check_signed(account, wish.security)


def check_signed(account: Account, security: str) -> None:
    """Under an agreement (BAA) every call is signed (hipaa.md B10); raises CampaignError `webhook.unsigned-under-agreement`."""
    if account.baa_status != BaaStatus.NONE and security not in _SIGNED:
        raise CampaignError(
            "webhook.unsigned-under-agreement",
            "Under an agreement (BAA) every call is signed.",
            action="Choose one of the two signatures.",
        )


def _save(endpoint: WebhookEndpoint, config: Config) -> None:
    text = json.dumps(asdict(config), ensure_ascii=False, separators=(",", ":"))
    endpoint.config_sealed = vault.seal(text.encode(), **_context(endpoint))
    # Of a row that exists nothing else: workers change it, too.
    entered = ["name", "host", "kinds", "format", "security", "max_bucket", "config_sealed"]
    try:
        with transaction.atomic():
            endpoint.save(update_fields=entered if endpoint.pk else None)
    except IntegrityError as error:
        raise CampaignError(
            "webhook.exists", "Another webhook has this name.", action="Choose another.", status=409
        ) from error


def _context(endpoint: WebhookEndpoint) -> dict[str, str]:
    account = str(endpoint.account.public_id)
    return {"account": account, "thing": "webhook", "id": str(endpoint.public_id), "field": "config"}
