"""Traffic by mailbox provider, and the score that says what to put right first (MP-05)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from campaigns.domains.health import gather_standing
from campaigns.domains.score import Seen, Standing, judge_standing
from campaigns.domains.traffic import Provider, Share, add_up, measure_traffic
from campaigns.models import DnsFinding, Domain
from tests.factories import make_account, make_domain
from tests.provider_reports import write_traffic

NAMES = ("ownership", "dkim:sp1", "dmarc", "spf", "return-mx", "inbound-mx", "tracking")
PERFECT = Standing(
    is_verified=True,
    is_failing=False,
    records={name: Seen(True, policy="reject" if name == "dmarc" else "") for name in NAMES},
    has_return_path=True,
    has_tracking_host=True,
    shares=(Share(Provider.GMAIL, 5000, 10, 1), Share(Provider.OTHERS, 2000, 5, 0)),
    reported=5000,
    reported_passed=4990,
)


def without(name: str) -> dict[str, Seen]:
    return {**PERFECT.records, name: Seen(False, text=f"{name} is wrong.")}


def test_everything_in_place_is_a_hundred_points() -> None:
    score = judge_standing(PERFECT)
    assert (score.points, score.to_fix) == (100, ())
    assert sum(part.of for part in score.parts) == 100
    assert all(part.known for part in score.parts)


@pytest.mark.parametrize(
    ("change", "first", "points", "place"),
    [
        ({"is_verified": False}, "proof", 75, "records"),
        ({"is_failing": True}, "proof", 85, "records"),
        ({"records": without("dmarc")}, "dmarc", 85, "record-dmarc"),
        ({"records": {**PERFECT.records, "dmarc": Seen(True, policy="none")}}, "policy", 95, "reports"),
        ({"records": without("spf")}, "spf", 85, "record-spf"),
        ({"records": without("inbound-mx")}, "inbound-mx", 95, "record-inbound-mx"),
        ({"records": without("return-mx")}, "return-path", 94, "record-return-mx"),
        ({"has_return_path": False}, "return-path", 94, "sending"),
        ({"records": without("tracking")}, "links", 95, "record-tracking"),
        ({"has_tracking_host": False}, "links", 97, "sending"),
        ({"shares": (Share(Provider.GMAIL, 5000, 0, 5),)}, "complaints", 95, "providers"),
        ({"shares": (Share(Provider.GMAIL, 5000, 0, 15),)}, "complaints", 90, "providers"),
        ({"shares": (Share(Provider.GMAIL, 5000, 110, 0),)}, "bounces", 95, "providers"),
        ({"shares": (Share(Provider.GMAIL, 5000, 300, 0),)}, "bounces", 90, "providers"),
        ({"reported_passed": 4800}, "reports", 98, "reports"),
        ({"reported_passed": 2500}, "reports", 95, "reports"),
    ],
)
def test_what_is_wrong_costs_points_and_says_where_to_go(
    change: dict[str, Any], first: str, points: int, place: str
) -> None:
    score = judge_standing(replace(PERFECT, **change))
    part = score.to_fix[0]
    assert (part.key, score.points, part.place) == (first, points, place)
    assert part.why
    assert part.how


def test_what_costs_most_comes_first() -> None:
    wrong = replace(PERFECT, records=without("spf"), has_tracking_host=False, is_verified=False)
    assert [part.key for part in judge_standing(wrong).to_fix] == ["proof", "spf", "links"]


def test_complaints_are_judged_by_the_provider_that_has_most() -> None:
    """MP-05: each provider judges by its own readers; the sum would hide it."""
    shares = (Share(Provider.GMAIL, 100_000, 0, 10), Share(Provider.YAHOO, 2000, 0, 8))
    part = judge_standing(replace(PERFECT, shares=shares)).to_fix[0]
    assert (part.key, part.points) == ("complaints", 0)
    assert "0.40 % of the readers at Yahoo" in part.how


def test_few_mails_say_nothing() -> None:
    """One complaint among 300 mails is chance."""
    score = judge_standing(replace(PERFECT, shares=(Share(Provider.GMAIL, 99, 90, 9),), reported=50, reported_passed=0))
    assert score.points == 100
    assert {part.key for part in score.parts if not part.known} == {"complaints", "bounces", "reports"}


def test_small_providers_together_are_enough_to_tell() -> None:
    shares = tuple(Share(provider, 600, 0, 2) for provider in Provider)
    part = judge_standing(replace(PERFECT, shares=shares)).to_fix[0]
    assert "at all mailboxes" in part.how


def test_a_domain_nobody_looked_up_has_nearly_nothing() -> None:
    fresh = Standing(False, False, {}, has_return_path=False, has_tracking_host=False)
    score = judge_standing(fresh)
    assert score.to_fix[0].key == "proof"
    assert {"dmarc", "policy"} <= {part.key for part in score.to_fix}


# --- From the ledger ----------------------------------------------------------------------------


@pytest.fixture
def domain() -> Domain:
    return make_domain(make_account())


TRAFFIC = {
    "gmail.com": (30, 2, 1), "googlemail.com": (10, 0, 0), "outlook.de": (8, 1, 0), "hotmail.co.uk": (4, 0, 0),
    "live.com": (2, 0, 1), "yahoo.fr": (5, 0, 0), "aol.com": (1, 0, 0), "icloud.com": (3, 0, 0), "example.net": (7, 3, 0),
    "notgmail.com": (2, 0, 0),
}  # fmt: skip


@pytest.mark.django_db
def test_mail_is_counted_by_provider_in_one_statement(domain: Domain) -> None:
    """MP-05."""
    write_traffic(domain, TRAFFIC)
    with CaptureQueriesContext(connection) as captured:
        shares = measure_traffic(domain, now=timezone.now())
    assert len(captured) == 1
    assert [(share.provider, share.mails, share.bounced, share.complained) for share in shares] == [
        (Provider.GMAIL, 40, 2, 1), (Provider.MICROSOFT, 14, 1, 1), (Provider.YAHOO, 6, 0, 0), (Provider.APPLE, 3, 0, 0),
        (Provider.OTHERS, 9, 3, 0),
    ]  # fmt: skip
    total = add_up(shares)
    assert (total.mails, total.bounced, total.complained) == (72, 6, 2)
    assert total.bounce_percent == pytest.approx(600 / 72)
    assert total.complaint_percent == pytest.approx(200 / 66)


@pytest.mark.django_db
def test_only_real_recent_mail_of_this_domain_counts(domain: Domain) -> None:
    other = make_domain(domain.account)
    write_traffic(other, {"gmail.com": (5, 1, 1)})
    write_traffic(domain, {"gmail.com": (6, 1, 1)}, kind="sandbox")
    write_traffic(domain, {"gmail.com": (7, 1, 1)}, age=timedelta(days=31))
    assert measure_traffic(domain, now=timezone.now()) == []
    assert add_up([]).complaint_percent == 0.0


@pytest.mark.django_db
def test_the_standing_is_gathered_from_the_last_look(domain: Domain) -> None:
    DnsFinding.objects.filter(domain=domain, record="dmarc").update(text="Fine.", policy="reject")
    standing = gather_standing(domain, shares=[], days=[])
    assert standing.records == {"dmarc": Seen(True, "dmarc.ok", "Fine.", "reject")}
    assert (standing.is_verified, standing.has_return_path, standing.reported) == (True, False, 0)
