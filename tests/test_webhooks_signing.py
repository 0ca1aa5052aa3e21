"""Signatures of webhooks, checked by the library their receivers use and by a few lines anybody could write."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import UTC, datetime, timedelta, timezone

import pytest
from django.utils.timezone import now as the_time
from hypothesis import given, settings
from hypothesis import strategies as st
from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError

from campaigns.errors import CampaignError
from campaigns.models import WebhookSecurity
from campaigns.webhooks import endpoints
from campaigns.webhooks.signing import ALGORITHMS, HMAC_HEADER, Signer, make_secret, sign
from tests.api import Program
from tests.receiver import Receiver, listen, receiver, tell_all

__all__ = ["receiver"]

BODIES = st.text().map(lambda text: text.encode("utf-8", "replace"))


def verify_hmac(headers: dict[str, str], body: bytes, *, secret: str, algorithm: str) -> bool:
    """What docs/webhooks.md tells receivers to do."""
    stamp, *digests = headers[HMAC_HEADER].split(",")
    mine = hmac.new(secret.encode(), stamp[2:].encode() + b"." + body, ALGORITHMS[algorithm]).hexdigest()
    return any(hmac.compare_digest(f"v1={mine}", digest) for digest in digests)


@settings(max_examples=60)
@given(body=BODIES, secrets=st.integers(1, 2))
def test_the_published_library_takes_our_signature_of_any_text(body: bytes, secrets: int) -> None:
    known = tuple(make_secret(WebhookSecurity.STANDARD) for _ in range(secrets))
    headers = sign(Signer(WebhookSecurity.STANDARD, known), call_id="id-1", body=body, now=the_time())
    for secret in known:
        Webhook(secret).verify(body, headers, json_parse=False)
    with pytest.raises(WebhookVerificationError):
        Webhook(known[0]).verify(body + b"x", headers, json_parse=False)
    with pytest.raises(WebhookVerificationError):
        Webhook(make_secret(WebhookSecurity.STANDARD)).verify(body, headers, json_parse=False)
    with pytest.raises(WebhookVerificationError):
        Webhook(known[0]).verify(body, headers | {"webhook-id": "id-2"}, json_parse=False)


@settings(max_examples=40)
@given(body=BODIES, algorithm=st.sampled_from(sorted(ALGORITHMS)))
def test_an_hmac_is_of_time_and_body(body: bytes, algorithm: str) -> None:
    secret, old = make_secret(WebhookSecurity.HMAC), make_secret(WebhookSecurity.HMAC)
    signer = Signer(WebhookSecurity.HMAC, (secret, old), algorithm)
    headers = sign(signer, call_id="id-1", body=body, now=the_time())
    for known in (secret, old):
        assert verify_hmac(headers, body, secret=known, algorithm=algorithm)
    assert not verify_hmac(headers, body + b"x", secret=secret, algorithm=algorithm)
    later = headers | {HMAC_HEADER: headers[HMAC_HEADER].replace("t=", "t=1")}
    assert not verify_hmac(later, body, secret=secret, algorithm=algorithm)


def test_a_known_signature_stays_what_it_is() -> None:
    moment = datetime(2026, 11, 23, 12, tzinfo=UTC)
    key = base64.b64encode(b"k" * 32).decode()
    headers = sign(Signer(WebhookSecurity.STANDARD, (f"whsec_{key}",)), call_id="a", body=b"{}", now=moment)
    mine = base64.b64encode(hmac.digest(b"k" * 32, b"a.1795435200.{}", hashlib.sha256)).decode()
    assert headers == {"webhook-id": "a", "webhook-timestamp": "1795435200", "webhook-signature": f"v1,{mine}"}
    elsewhere = moment.astimezone(timezone(timedelta(hours=5)))
    assert sign(Signer(WebhookSecurity.STANDARD, (f"whsec_{key}",)), call_id="a", body=b"{}", now=elsewhere) == headers


def test_nothing_shows_a_secret_by_accident() -> None:
    signer = Signer(WebhookSecurity.HMAC, ("hush",), password="hush")
    assert "hush" not in repr(signer)
    assert "hush" not in repr(endpoints.Config(secret="hush"))


@pytest.mark.django_db
def test_a_call_is_signed_with_the_secret_that_was_shown(receiver: Receiver) -> None:
    program = Program()
    _, secret = listen(program, receiver.url)
    program.send()
    program.work()
    tell_all()
    (asked,) = receiver.asked
    headers = {name.lower(): value for name, value in asked.headers.items()}
    assert Webhook(secret).verify(asked.body, headers)["results"]


@pytest.mark.django_db
def test_for_a_day_after_a_change_both_secrets_count(receiver: Receiver) -> None:
    program = Program()
    endpoint, old = listen(program, receiver.url)
    now = the_time()
    fresh = endpoints.rotate_secret(endpoint, now=now)
    assert fresh != old
    config = endpoints.read_config(endpoint)
    assert config.signer(endpoint.security, now=now + timedelta(hours=23)).secrets == (fresh, old)
    assert config.signer(endpoint.security, now=now + timedelta(hours=25)).secrets == (fresh,)


@pytest.mark.django_db
def test_secrets_are_sealed_and_open_in_their_own_row_only(receiver: Receiver) -> None:
    program = Program()
    one, secret = listen(program, receiver.url, name="one")
    two, _ = listen(program, receiver.url, name="two")
    assert secret.encode() not in bytes(one.config_sealed)
    two.config_sealed = one.config_sealed
    with pytest.raises(CampaignError) as caught:
        endpoints.read_config(two)
    assert caught.value.code == "webhook.secret-broken"
