"""Links and pictures of mails through their door: exact, fast, for everybody, and telling strangers nothing."""

from __future__ import annotations

import logging

import pytest
from django.contrib.sessions.models import Session
from django.db import OperationalError, connection
from django.test import Client, override_settings
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from campaigns import tokens
from campaigns.models import Event, HitCount, Submission, TrackedLink, TrackingLevel
from campaigns.tracking.targets import forget_targets
from campaigns.web.visits import PIXEL
from tests.factories import make_account, make_domain, make_user
from tests.tracked import BLOG, SHOP, TrackedSend, ask

pytestmark = pytest.mark.django_db


@pytest.fixture
def sent() -> TrackedSend:
    return TrackedSend()


def world() -> tuple[int, int]:
    return Event.objects.filter(kind__in=["opened", "clicked"]).count(), HitCount.objects.count()


def test_lw_08_a_click_is_led_on_to_exactly_what_was_written(sent: TrackedSend) -> None:
    answer = sent.click(0)
    assert (answer.status_code, answer["Location"]) == (302, SHOP)
    assert answer["Cache-Control"] == "no-store"
    assert answer["Referrer-Policy"] == "no-referrer"
    assert "noindex" in answer["X-Robots-Tag"]
    assert not answer.cookies
    assert answer.content == b""


def test_a_link_with_the_readers_own_value_leads_where_the_plain_one_would(sent: TrackedSend) -> None:
    answer = sent.click(3)
    assert answer["Location"] == "https://me.example/?who=Ona%200%20%26%20co"


@pytest.mark.parametrize(
    "url", ["https://žalia.example/kelias?ė=ė#š", "https://x.example/a b?c=%20+%2F&amp;d", "http://x.example"]
)
def test_lw_04_location_is_the_address_byte_for_byte(url: str) -> None:
    sent = TrackedSend(
        source=f'<a href="{url}">x</a> {{{{ postal_address }}}} <a href="{{{{ unsubscribe_url }}}}">u</a>'
    )
    answer = sent.click(0)
    assert answer["Location"].encode("latin-1").decode() == url.replace("&amp;", "&")


def test_a_click_works_for_a_contact_that_is_gone(sent: TrackedSend) -> None:
    links = sent.links()
    sent.account.contacts.all().delete()
    assert ask(links[3])["Location"] == "https://me.example/?who=Ona%200%20%26%20co"


def test_lw_10_the_picture_is_small_and_never_kept(sent: TrackedSend) -> None:
    answer = sent.open()
    assert (answer.status_code, answer["Content-Type"], answer.content) == (200, "image/gif", PIXEL)
    assert answer["Cache-Control"] == "no-store"
    assert not answer.cookies


def test_lw_10_a_picture_nobody_sent_is_shown_and_not_counted() -> None:
    before = world()
    for token in ("", "x", "A" * 48, "../../etc/passwd"):
        answer = ask(f"/o/{token}.gif")
        assert (answer.status_code, answer.content) == (200, PIXEL)
    assert world() == before


def change_letter(text: str, at: int) -> str:
    return text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1 :]


def test_evil_28_a_link_that_is_not_ours_is_a_plain_404(sent: TrackedSend) -> None:
    good = sent.links()[3]
    token, number, seal = good.removeprefix("/c/").split(".")
    foreign = tokens.visit_token(tokens.VisitClaim(sent.submission.pk + 1000))
    bad = [
        *(f"/c/{change_letter(token, at)}.1" for at in range(0, 48, 5)),
        f"/c/{token}", f"/c/{token}.", f"/c/{token}.x", f"/c/{token}.99", f"/c/{token}.01", f"/c/{token}.-1",
        f"/c/{token}.{number}", f"/c/{token}.1.{seal}", f"/c/{token}.{number}.{change_letter(seal, 3)}",
        f"/c/{token}.{number}.{seal}x", f"/c/{foreign}.1", "/c/", "/c/x", "/c/..", f"/c/{token}.1/", f"/c/{token}.1%0d%0aX: y",
        f"/c/{token}.{'9' * 30}", f"/c/{token}.１",
    ]  # fmt: skip
    for path in bad:
        answer = ask(path)
        assert answer.status_code == 404, path
        assert not answer.has_header("Location"), path
    assert world() == (0, 0)


def test_evil_28_a_query_changes_nothing(sent: TrackedSend) -> None:
    for query in ("?url=https://evil.example", "?url=//evil.example", "?%0d%0aSet-Cookie:%20a=b"):
        answer = ask(sent.links()[0] + query)
        assert (answer.status_code, answer["Location"]) == (302, SHOP)
        assert not answer.cookies


@hypothesis_settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(path=st.text(max_size=90))
def test_evil_28_any_other_address_is_a_404_and_never_a_redirect(path: str) -> None:
    answer = Client(raise_request_exception=True).get("/c/" + path.replace("\0", ""))
    assert answer.status_code == 404
    assert not answer.has_header("Location")


def test_a_seal_is_good_for_its_own_mail_alone() -> None:
    sent = TrackedSend(readers=2)
    mine, theirs = (sent.links(reader)[3].removeprefix("/c/").split(".") for reader in (0, 1))
    answer = ask(f"/c/{mine[0]}.{mine[1]}.{theirs[2]}")
    assert answer.status_code == 404


class TestHosts:
    @pytest.fixture
    def branded(self) -> TrackedSend:
        account = make_account(tracking=TrackingLevel.INDIVIDUAL, tracking_needs_consent=False)
        domain = make_domain(account, name="garden.example", tracking_host="click.garden.example")
        account.senders.create(domain=domain, name="Garden", email="news@garden.example")
        return TrackedSend(account, sender=account.senders.get())

    def test_links_lead_to_the_host_of_the_senders_domain(self, branded: TrackedSend) -> None:
        """LW-07: the host under the sender's own domain."""
        assert 'href="http://click.garden.example/c/' in branded.html()
        assert 'src="http://click.garden.example/o/' in branded.html()
        answer = ask(branded.links()[0], headers={"host": "click.garden.example"})
        assert answer["Location"] == SHOP

    def test_a_host_that_is_not_proved_is_not_used(self) -> None:
        account = make_account(tracking=TrackingLevel.INDIVIDUAL, tracking_needs_consent=False)
        domain = make_domain(account, tracking_host="click.new.example", verified_at=None)
        account.senders.create(domain=domain, name="New", email=f"news@{domain.name}")
        sent = TrackedSend(account, sender=account.senders.get())
        assert "click.new.example" not in sent.html()
        assert ask(sent.links()[0], headers={"host": "click.new.example"}).status_code == 400

    def test_it_serves_links_and_pictures_and_nothing_else(self, branded: TrackedSend) -> None:
        host = {"host": "click.garden.example"}
        for path in ("/", "/admin/", "/admin/login/", "/u/x", "/callbacks/x", "/static/sealpost/app.css"):
            answer = ask(path, headers=host)
            assert (answer.status_code, answer.has_header("Location")) == (404, False), path
            assert not answer.cookies
        assert ask(branded.pixel(), headers=host).content == PIXEL

    def test_evil_28_links_of_another_account_are_unknown_there(self, branded: TrackedSend, sent: TrackedSend) -> None:
        assert ask(branded.links()[0], headers={"host": "click.garden.example"}).status_code == 302
        answer = ask(sent.links()[0], headers={"host": "click.garden.example"})
        assert (answer.status_code, answer.has_header("Location")) == (404, False)
        assert sent.events() == []

    def test_a_host_nobody_knows_is_refused(self, sent: TrackedSend) -> None:
        answer = ask(sent.links()[0], headers={"host": "evil.example"})
        assert (answer.status_code, answer.has_header("Location")) == (400, False)

    @override_settings(TRACKING_URL="https://t.example", PUBLIC_URL="https://app.example")
    def test_the_installations_own_host_of_links_serves_only_them(self, sent: TrackedSend) -> None:
        assert ask(sent.links()[0], headers={"host": "t.example"}).status_code == 302
        assert ask("/admin/", headers={"host": "t.example"}).status_code == 404


def test_nothing_about_the_request_but_get_and_head_is_taken(sent: TrackedSend) -> None:
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "PATCH"):
        for path in (sent.links()[0], sent.pixel()):
            answer = ask(path, method=method)
            assert (answer.status_code, answer["Allow"]) == (405, "GET, HEAD")
    assert world() == (0, 0)


def test_no_session_is_read_or_made(sent: TrackedSend) -> None:
    client = Client()
    client.force_login(make_user(sent.account))
    sessions = Session.objects.count()
    with CaptureQueriesContext(connection) as queries:
        answer = ask(sent.links()[0], client=client)
    assert not answer.cookies
    assert Session.objects.count() == sessions
    assert not any("session" in query["sql"] for query in queries)


def test_the_redirect_is_no_https_redirect_and_needs_no_slash(sent: TrackedSend) -> None:
    with override_settings(SECURE_SSL_REDIRECT=True):
        assert ask(sent.links()[0])["Location"] == SHOP
        assert ask(sent.pixel()).status_code == 200


@pytest.mark.django_db(transaction=True)
class TestWithoutItsDatabase:
    """LW-08: what was looked up once is led on, whatever becomes of the database."""

    def test_a_known_link_is_led_on_and_the_hit_waits(self, caplog: pytest.LogCaptureFixture) -> None:
        sent = TrackedSend()
        links = sent.links()
        assert ask(links[1])["Location"] == BLOG
        with no_database():
            assert ask(links[0])["Location"] == SHOP
            assert ask(f"/o/{links[0].split('.')[0].removeprefix('/c/')}.gif").content == PIXEL
        assert "hits cannot be written now" in caplog.text
        ask(links[1])
        assert sorted(event[0] for event in sent.events()) == ["clicked", "clicked", "clicked", "opened"]

    def test_a_link_this_process_never_saw_comes_from_the_shared_cache(self) -> None:
        links = TrackedSend().links()
        forget_targets()
        with no_database():
            assert ask(links[0])["Location"] == SHOP

    def test_a_link_nobody_can_look_up_is_asked_for_again_later(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.ERROR)
        foreign = tokens.visit_token(tokens.VisitClaim(987_654))
        with no_database():
            answer = ask(f"/c/{foreign}.1")
        assert (answer.status_code, answer["Retry-After"]) == (503, "30")
        assert not answer.has_header("Location")


class no_database:  # noqa: N801 (reads as the condition it is)
    """While the block runs the database refuses every statement."""

    def __enter__(self) -> None:
        self._hook = connection.execute_wrapper(self._refuse)
        self._hook.__enter__()

    def __exit__(self, *error: object) -> None:
        self._hook.__exit__(None, None, None)

    def _refuse(self, *_: object) -> None:
        raise OperationalError("away")


def test_links_are_numbered_once_however_often_a_worker_starts(sent: TrackedSend) -> None:
    urls = list(TrackedLink.objects.filter(submission=sent.submission).values_list("number", "url"))
    assert [number for number, _ in urls] == [1, 2, 3, 4]
    assert urls[0][1] == SHOP
    assert Submission.objects.count() == 1
