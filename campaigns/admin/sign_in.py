"""Signing in: Django's form, behind the same limit of guesses as the API, and in the audit trail."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.auth import get_user_model
from django.contrib.auth.signals import user_logged_in
from django.core.exceptions import ValidationError
from django.dispatch import receiver
from django.http import HttpRequest
from django.utils import timezone

from campaigns.accounts import guesses, person_trail, second_factor, sessions
from campaigns.accounts.presented import find_remote


@receiver(user_logged_in)
def begin_anew(request: HttpRequest, **_: Any) -> None:
    """Django keeps the session of whoever signs in again as themselves; the proofs and the clocks of the old one must not."""
    session = request.session
    for name in (second_factor.SESSION_KEY, *sessions.CLOCKS):
        session.pop(name, None)


class SignInForm(AdminAuthenticationForm):
    """Django's sign-in, without its word for people who may enter.

    Wrong passwords are counted for the name and for where they come from; nobody learns which of both was wrong.
    """

    error_messages = {
        **AdminAuthenticationForm.error_messages,
        "invalid_login": "The name and the password do not belong together. Mind capital and small letters.",
        "locked": "There were too many wrong passwords. Try again in %(wait)s.",
    }

    def clean(self) -> dict[str, Any]:
        name, password = self.cleaned_data.get("username") or "", self.cleaned_data.get("password") or ""
        now = timezone.now()
        assert self.request is not None
        places = [
            guesses.place_of_name(name),
            guesses.place_of_remote(find_remote(self.request.META, behind_proxy=settings.BEHIND_PROXY)),
        ]
        if seconds := guesses.wait(places, now=now):
            raise self._locked(seconds)
        try:
            cleaned = super().clean()
        except ValidationError:
            self._count(places, credential=f"{name}\0{password}", name=name)
            raise
        user = self.get_user()
        if user is not None:
            guesses.forgive(places[0])
            person_trail.note("person.signed-in", user)
        return cleaned

    def _count(self, places: list[str], *, credential: str, name: str) -> None:
        # Whoever mistypes may have typed the password here: of a name nobody has, nothing is kept.
        user = get_user_model().objects.filter(username=name).first()
        person_trail.note("person.sign-in-failed", user, data={"part": "password"})
        if seconds := guesses.note_guess(places, credential=credential, now=timezone.now()):
            person_trail.note("person.locked-out", user, data={"seconds": int(seconds)})

    def _locked(self, seconds: float) -> ValidationError:
        return ValidationError(self.error_messages["locked"], code="locked", params={"wait": guesses.in_words(seconds)})
