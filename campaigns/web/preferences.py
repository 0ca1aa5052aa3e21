"""The preference page, and the pages behind links that were mailed to the person themselves."""

from __future__ import annotations

from http import HTTPStatus

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt

from campaigns.audiences import personal_data
from campaigns.errors import CampaignError, NotFound
from campaigns.models import Frequency, LeavingReason
from campaigns.planning import confirmations, notices
from campaigns.planning.notices import Act
from campaigns.tracking import choices
from campaigns.tracking.choices import Visitor
from campaigns.web.pages import finish, forget_session, read_form, render_page
from compliance.features import check_eligible
from compliance.features.eligibility import NotEligible

_METHODS = "GET, HEAD, POST, OPTIONS"


@csrf_exempt
def answer_preferences(request: HttpRequest, token: str) -> HttpResponse:
    """GET shows what the person chose, POST changes it; nothing else changes anything (UN-06)."""
    forget_session(request)
    if request.method not in {"GET", "HEAD", "POST"}:
        return _refuse_method(request)
    try:
        visitor = choices.read_visitor(token.removesuffix("/"))
    except NotFound:
        return render_page("not_found", status=HTTPStatus.NOT_FOUND)
    return _change(request, visitor, token) if request.method == "POST" else _show(visitor, token)


@csrf_exempt
def answer_personal(request: HttpRequest, token: str) -> HttpResponse:
    """The link in a confirmation: GET asks, POST hands out the data or deletes it."""
    forget_session(request)
    if request.method not in {"GET", "HEAD", "POST"}:
        return _refuse_method(request)
    try:
        person = confirmations.read_person(token, now=timezone.now())
        # Whoever has the link would have the data.
        check_eligible("access.links", baa_status=person.account.baa_status)
    except (NotFound, NotEligible):
        return render_page("link_over", status=HTTPStatus.NOT_FOUND)
    if request.method != "POST":
        return render_page("personal", account=person.account, erase=person.act is Act.ERASE)
    read_form(request)
    if person.act is Act.ERASE:
        personal_data.erase_person(person.account, address_key=person.address_key)
        return render_page("erased", account=person.account)
    data = personal_data.export_person(person.account, address_key=person.address_key, now=timezone.now())
    response = HttpResponse(data, content_type="application/json")
    response.headers["Content-Disposition"] = 'attachment; filename="my-data.json"'
    return finish(response)


def _refuse_method(request: HttpRequest) -> HttpResponse:
    status = HTTPStatus.NO_CONTENT if request.method == "OPTIONS" else HTTPStatus.METHOD_NOT_ALLOWED
    return finish(HttpResponse(status=status, headers={"Allow": _METHODS}))


def _show(visitor: Visitor, token: str, *, done: str = "") -> HttpResponse:
    return render_page(
        "preferences",
        account=visitor.account,
        page=choices.read_choices(visitor),
        frequencies=Frequency,
        reasons=LeavingReason,
        token=token,
        done=done,
        may_ask_for_data=_may_confirm(visitor),
    )


def _change(request: HttpRequest, visitor: Visitor, token: str) -> HttpResponse:
    form, now = read_form(request), timezone.now()
    asked = form.get("do", [""])[0]
    if asked == "save":
        choices.save_choices(
            visitor,
            public_ids=form.get("list", []),
            frequency=_number(form, "frequency") or 0,
            tracking=_number(form, "tracking"),
            now=now,
        )
        return _show(visitor, token, done="saved")
    if asked == "stop":
        choices.stop_everything(visitor, now=now)
        return _show(visitor, token, done="stopped")
    if asked == "why":
        choices.say_why(visitor, reason=form.get("reason", [""])[0])
        return _show(visitor, token, done="thanks")
    if asked in {"export", "erase"} and _may_confirm(visitor):
        return _confirm(visitor, token, Act.EXPORT if asked == "export" else Act.ERASE)
    return _show(visitor, token)


def _number(form: dict[str, list[str]], name: str) -> int | None:
    given = form.get(name, [""])[0]
    return int(given) if given.isascii() and given.isdigit() and len(given) < 4 else None


def _may_confirm(visitor: Visitor) -> bool:
    """Whether a mailed link may lead to somebody's data: under an agreement it would lead to nothing."""
    try:
        check_eligible("access.links", baa_status=visitor.account.baa_status)
    except NotEligible:
        return False
    return True


def _confirm(visitor: Visitor, token: str, act: Act) -> HttpResponse:
    try:
        sent = notices.send_confirmation(
            visitor.account,
            address_key=visitor.address_key,
            submission_id=visitor.submission_id,
            act=act,
            now=timezone.now(),
        )
    except CampaignError:
        return _show(visitor, token, done="failed")
    return _show(visitor, token, done="mailed" if sent else "unknown")
