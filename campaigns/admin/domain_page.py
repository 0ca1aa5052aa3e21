"""How mail leaves from a domain, as its page shows it: the form, and the days of its warm-up."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django import forms

from campaigns.domains.warmup import PLAN
from campaigns.models import DayCount, Domain
from campaigns.outbox.daily import open_cap


class SendingForm(forms.Form):
    """How mail leaves from the domain."""

    return_path = forms.CharField(
        required=False,
        max_length=254,
        help_text="Where mail that cannot be delivered comes back to, such as bounces@ and this domain. The mailbox must "
        "take everything that begins with bounces+, because each mail has a mark of its own. Empty: the from-address.",
    )
    spf_terms = forms.CharField(
        label="Servers that send",
        required=False,
        max_length=200,
        help_text="What your provider says SPF must allow, such as include:spf.example.net. Empty: what this installation "
        "sends by.",
    )
    tracking_host = forms.CharField(
        label="Host of links",
        required=False,
        max_length=253,
        help_text="A name of its own below your domain, such as click. and this domain. Empty: the name of this "
        "installation.",
    )
    reports_to = forms.CharField(
        label="Reports go to",
        required=False,
        max_length=254,
        help_text="The address mailboxes send their daily reports to, named in the DMARC record above.",
    )
    max_per_second = forms.FloatField(
        label="Messages per second", required=False, min_value=0.01, help_text="Empty: no limit for this domain."
    )
    warmup_started_on = forms.DateField(
        label="Warm-up begins on",
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        help_text="For a domain mailboxes do not know yet: from this day on, only so many mails leave a day as the plan "
        "below allows. Empty: no warm-up.",
    )


@dataclass(frozen=True, slots=True)
class WarmupDay:
    """One day of the plan; without a date when no warm-up is set."""

    number: int
    cap: int
    day: date | None
    is_today: bool
    is_over: bool


@dataclass(frozen=True, slots=True)
class Warmup:
    """The plan with its dates, and where it stands in one sentence."""

    days: list[WarmupDay]
    sentence: str
    is_running: bool


def show_warmup(domain: Domain, *, now: datetime) -> Warmup:
    """The plan of the domain, on the account's calendar."""
    plan = open_cap(domain, account=domain.account)
    if plan is None:
        return Warmup([WarmupDay(number, cap, None, False, False) for number, cap in enumerate(PLAN, 1)], "", False)
    today = plan.today(now)
    days = [
        WarmupDay(number, cap, day, day == today, day < today)
        for number, cap in enumerate(PLAN, 1)
        for day in [plan.started_on + timedelta(days=number - 1)]
    ]
    current = next((day for day in days if day.is_today), None)
    if current is None:
        ended = today > plan.started_on
        return Warmup(days, "Over: no daily limit any more." if ended else "Not begun: no daily limit yet.", False)
    used = sum(DayCount.objects.filter(key=plan.key, day=today).values_list("used", flat=True))
    sentence = f"Day {current.number} of {len(days)}: at most {current.cap:,} mails today, {used:,} of them used."
    return Warmup(days, sentence, True)
