"""What the page of a domain shows: its records and keys in plain words, and the days of its warm-up."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django import forms

from campaigns.admin.words import show_time
from campaigns.domains.expected import ExpectedRecord, expect_key, expect_ownership, record_of
from campaigns.domains.rotation import KEPT_PUBLISHED
from campaigns.domains.warmup import PLAN
from campaigns.models import DayCount, DkimKey, DnsFinding, Domain
from campaigns.outbox.daily import open_cap

_State, _Algorithm = DkimKey.State, DkimKey.Algorithm
_KEY_TITLES = {_State.NEW: "New {}", _State.SIGNING: "{}", _State.RETIRING: "Old {}"}
_KEY_NAMES = {_Algorithm.RSA: "signature key", _Algorithm.ED25519: "second signature key (Ed25519)"}
_PURPOSES = {
    _Algorithm.RSA: "Lets mailboxes check that nobody changed your mail or sent it in your name (DKIM).",
    _Algorithm.ED25519: "A second, shorter signature beside the first, for mailboxes that read it.",
}


@dataclass(frozen=True, slots=True)
class RecordToPublish:
    """A record, what the last look at DNS said about it, and for a key how it is used and what can be done with it."""

    title: str
    purpose: str
    expected: ExpectedRecord
    finding: DnsFinding | None
    use: str = ""
    can_change: str = ""
    can_cancel: str = ""


class SendingForm(forms.Form):
    """How mail leaves from the domain."""

    return_path = forms.CharField(
        required=False,
        max_length=254,
        help_text="Where mail that cannot be delivered comes back to, such as bounces@ and this domain. The mailbox must "
        "take everything that begins with bounces+, because each mail has a mark of its own. Empty: the from-address.",
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


def list_records(domain: Domain) -> list[RecordToPublish]:
    """What must be published now, proof of ownership first."""
    findings = {finding.record: finding for finding in domain.findings.all()}
    # What is to be done comes before what runs: the newest key first.
    keys = list(domain.dkim_keys.filter(state__in=DkimKey.PUBLISHED).order_by("-algorithm", "-pk"))
    proof = expect_ownership(domain)
    return [
        RecordToPublish(
            "Proof that the domain is yours", "Shows that you manage this domain.", proof, findings.get(proof.kind)
        ),
        *(_show_key(domain, key, keys, findings.get(record_of(key))) for key in keys),
    ]


def list_removable(domain: Domain) -> list[str]:
    """The hosts of records that are still in DNS and that nobody needs any more."""
    found = domain.findings.filter(code="dkim.removable").values_list("record", flat=True)
    selectors = [record.partition(":")[2] for record in found]
    return [expect_key(domain, key).host for key in domain.dkim_keys.filter(selector__in=selectors).order_by("pk")]


def _show_key(domain: Domain, key: DkimKey, keys: list[DkimKey], finding: DnsFinding | None) -> RecordToPublish:
    states = {other.state for other in keys if other.algorithm == key.algorithm}
    title = _KEY_TITLES[_State(key.state)].format(_KEY_NAMES[_Algorithm(key.algorithm)])
    can_change = domain.is_verified and key.state == _State.SIGNING and _State.NEW not in states
    return RecordToPublish(
        title[:1].upper() + title[1:],
        _explain(key, replaces=_State.SIGNING in states),
        expect_key(domain, key),
        finding,
        use=_use(domain, key),
        can_change=key.algorithm if can_change else "",
        can_cancel=key.selector if key.state == _State.NEW else "",
    )


def _explain(key: DkimKey, *, replaces: bool) -> str:
    if key.state == _State.RETIRING:
        return "Leave its record where it is for now: mail still on its way was signed with this key."
    if key.state == _State.NEW and replaces:
        return "Publish this record beside the others. Once it is found, this key signs and the old one retires."
    if key.state == _State.NEW:
        return "Publish this record. Once it is found, your mail carries a second signature."
    return _PURPOSES[_Algorithm(key.algorithm)]


def _use(domain: Domain, key: DkimKey) -> str:
    if key.state == _State.RETIRING:
        return f"Replaced on {show_time(key.state_since)}, needed until {show_time(key.state_since + KEPT_PUBLISHED)}"
    if key.state == _State.NEW:
        return "Waits until its record is found"
    return f"In use since {show_time(key.state_since)}" if domain.is_verified else "Signs once the domain is verified"


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
