"""Doors of people: what is typed into screens, by those who may and those who may not."""

from __future__ import annotations

from datetime import timedelta

from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from campaigns.accounts import sessions
from campaigns.models import Role
from compliance.sweep.doors import door, without_form
from compliance.sweep.stage import Stage


@door("Signing in")
def _sign_in(stage: Stage) -> None:
    client = Client(raise_request_exception=False)
    # People mistype: the password in the field of the name, the name in that of the code.
    for name, password in (
        (stage.canary.word, stage.canary.word),
        (stage.people[Role.AUTHOR].username, stage.canary.word),
    ):
        stage.note("sign-in", without_form(client.post("/admin/login/", {"username": name, "password": password})))
    author = stage.client(Role.AUTHOR, is_known=False)
    stage.note("second factor", without_form(author.post("/admin/second-factor/", {"code": stage.canary.word})))


@door("Ordinary screens of an account under an agreement")
def _ordinary_screens(stage: Stage) -> None:
    client = stage.client(Role.OPERATOR)
    admin = "/admin/campaigns/"
    file = SimpleUploadedFile(f"{stage.canary.word}.csv", f"email\n{stage.canary.address}\n".encode())
    for path, data in (
        ("importjob/add/", {"file": file}),
        ("contact/lookup/", {"address": stage.canary.address}),
        ("suppression/lookup/", {"address": stage.canary.address}),
        ("sandboxmail/", {"recipient": stage.canary.address}),
    ):
        answer = client.post(f"{admin}{path}", data)
        # A form shows what was typed into it to whoever typed it.
        stage.note(path, without_form(answer))


@door("A draft kept when its writer was signed out")
def _kept_draft(stage: Stage) -> None:
    client = stage.client(Role.AUTHOR)
    session = client.session
    session["seen_at"] = int((timezone.now() - sessions.IDLE - timedelta(seconds=5)).timestamp())
    session.save()
    answer = client.post(
        "/admin/campaigns/emailtemplate/add/", {"name": stage.canary.name, "source": stage.canary.word}
    )
    stage.note("idle", answer)


@door("Screens of compliance")
def _compliance_screens(stage: Stage) -> None:
    here = "/admin/compliance/"
    officer, operator = stage.client(Role.COMPLIANCE), stage.client(Role.OPERATOR)
    asked = {"address": stage.canary.address, "everything": "on"}
    stage.note("accounting", without_form(officer.post(f"{here}disclosure/", asked)))
    opened = {"account": stage.clinic.pk, "reason": f"The patient {stage.canary.name} must get a letter today."}
    stage.note("emergency", operator.post(f"{here}emergencyaccess/add/", opened))
    incident = {
        "kind": "other",
        "discovered_at": "2026-01-01T10:00",
        "reference": stage.canary.address,
        "sends": stage.canary.word,
    }
    stage.note("incident", without_form(officer.post(f"{here}incident/add/", incident)))
    bundle = {"kind": "message", "public_id": stage.canary.word}
    stage.note("support", without_form(officer.post(f"{here}auditevent/support/", bundle)))
    stage.note("trail", officer.get(f"{here}auditevent/"))


@door("Pages for readers")
def _public_pages(stage: Stage) -> None:
    client = Client(raise_request_exception=False)
    for path in (f"/u/{stage.canary.word}", f"/p/{stage.canary.word}", f"/callbacks/{stage.canary.word}"):
        stage.note("public", client.post(path, {"who": stage.canary.address}))
