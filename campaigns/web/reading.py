"""Mails in a browser: the personal view behind a link in a mail, and the public archive with its feed."""

from __future__ import annotations

from http import HTTPStatus
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.feedgenerator import Rss201rev2Feed
from django.utils.translation import gettext, override
from django.views.decorators.http import require_safe

from campaigns.errors import NotFound
from campaigns.reading import archive, personal
from campaigns.reading.archive import Archive
from campaigns.reading.document import POLICY
from campaigns.web.pages import FRAMING_POLICY, finish, forget_session, render_page

_PUBLIC = {"Cache-Control": "public, max-age=300", "X-Robots-Tag": "all"}
_IN_FEED = 30


@require_safe
def show_view(request: HttpRequest, token: str) -> HttpResponse:
    """The mail itself, as a document that can do nothing; no cookie is read or set, and nothing is counted."""
    forget_session(request)
    try:
        view = personal.open_view(token, now=timezone.now())
    except NotFound:
        return render_page("view_over", status=HTTPStatus.NOT_FOUND)
    return finish(HttpResponse(view.document, headers={"Content-Security-Policy": POLICY}))


@require_safe
def show_archive(request: HttpRequest, slug: str, list_slug: str = "") -> HttpResponse:
    """The issues of an account or of one list, page by page."""
    forget_session(request)
    try:
        found = archive.open_archive(slug, list_slug=list_slug)
    except NotFound:
        return _nothing()
    given = request.GET.get("page", "1")
    number = int(given) if given.isascii() and given.isdigit() and len(given) < 6 else 1
    page = archive.list_issues(found, page=number)
    if number > 1 and not page.issues and not page.has_older:
        return _nothing()
    lists = () if list_slug else archive.list_lists(found)
    response = render_page("archive", account=found.account, archive=found, page=page, lists=lists, is_public=True)
    return _published(response)


@require_safe
def show_issue(request: HttpRequest, slug: str, public_id: UUID) -> HttpResponse:
    """The page around one issue; the mail stands in a frame of its own."""
    forget_session(request)
    try:
        found = archive.open_archive(slug)
        issue, _ = archive.open_issue(found, public_id)
    except NotFound:
        return _nothing()
    response = render_page("issue", account=found.account, archive=found, issue=issue, is_public=True)
    response.headers["Content-Security-Policy"] = FRAMING_POLICY
    return _published(response)


@require_safe
def show_issue_mail(request: HttpRequest, slug: str, public_id: UUID) -> HttpResponse:
    """The mail of an issue, for the frame."""
    forget_session(request)
    try:
        _, document = archive.open_issue(archive.open_archive(slug), public_id)
    except NotFound:
        return _nothing()
    headers = {"Content-Security-Policy": POLICY, "X-Frame-Options": "SAMEORIGIN", **_PUBLIC}
    return finish(HttpResponse(document, headers={**headers, "X-Robots-Tag": "noindex"}))


@require_safe
def answer_feed(request: HttpRequest, slug: str, list_slug: str = "") -> HttpResponse:
    """The newest issues as RSS 2.0, with the address of the feed itself in it (rssboard.org/rss-profile)."""
    forget_session(request)
    try:
        found = archive.open_archive(slug, list_slug=list_slug)
    except NotFound:
        return _nothing()
    text = _make_feed(found).writeString("utf-8")
    return _published(finish(HttpResponse(text, content_type="application/rss+xml; charset=utf-8")))


def _make_feed(found: Archive) -> Rss201rev2Feed:
    with override(found.account.language):
        description = gettext("Mails we sent")
    feed = Rss201rev2Feed(
        title=found.title,
        link=f"{settings.PUBLIC_URL}{found.path}",
        description=description,
        language=found.account.language,
        feed_url=f"{settings.PUBLIC_URL}{found.feed_path}",
    )
    for issue in archive.list_issues(found, count=_IN_FEED).issues:
        feed.add_item(
            title=issue.subject,
            link=issue.url,
            description=issue.summary or issue.subject,
            pubdate=issue.sent_at,
            unique_id=issue.url,
            unique_id_is_permalink=True,
        )
    return feed


def _published(response: HttpResponse) -> HttpResponse:
    for name, value in _PUBLIC.items():
        response.headers[name] = value
    return response


def _nothing() -> HttpResponse:
    return render_page("nothing_here", status=HTTPStatus.NOT_FOUND)
