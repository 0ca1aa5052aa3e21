"""People who sign in for tests: with their password, and with a second factor that was proven just now."""

from __future__ import annotations

import base64
import time

from django.contrib.auth.models import User
from django.test import Client
from django_otp.oath import TOTP

from campaigns.accounts import second_factor


def sign_in(client: Client, user: User, *, factor_age: int | None = 0) -> Client:
    """Signed in, with a second factor proven so many seconds ago; None for never."""
    client.force_login(user)
    if factor_age is not None:
        session = client.session
        session[second_factor.SESSION_KEY] = int(time.time()) - factor_age
        session.save()
    return client


def code_of(secret: str, *, at: float | None = None) -> str:
    """What an app that knows the secret shows at a moment."""
    totp = TOTP(base64.b32decode(secret.replace(" ", "")))
    totp.time = time.time() if at is None else at
    return f"{totp.token():06}"
