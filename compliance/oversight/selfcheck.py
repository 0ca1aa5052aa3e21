"""What the installation can check of itself: a control each, with the rule it stands for, and why it fails.

Passing all of them proves that the safeguards of the software are in force here. It is no certificate: there is none.
"""

from __future__ import annotations

import logging
import resource
import stat
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from django.apps import apps
from django.conf import settings
from django.contrib import admin
from django.core.checks import ERROR, Tags, run_checks
from django.core.management import get_commands
from django.db import connection, models

from campaigns.accounts import sessions
from campaigns.models import Account, BaaStatus, Membership, SecondFactor, Transport
from campaigns.outbox.transports import read_config
from compliance import features, vault
from compliance.agreements import recording, terms
from compliance.audit.verify import verify
from compliance.features.capabilities import UNLISTED
from compliance.models import ActivityReview, AuditEvent, EmergencyAccess
from compliance.models.guards import find_missing
from compliance.oversight import clocks, emergency, reviews

_LOOPBACK = {"localhost", "127.0.0.1", "::1", ""}


@dataclass(frozen=True, slots=True)
class Result:
    """One control: `why` is a sentence for people when it fails, and '' when it is in force."""

    id: str
    title: str
    citation: str
    why: str

    @property
    def is_ok(self) -> bool:
        return not self.why


@dataclass(frozen=True, slots=True)
class Control:
    """`find_fault` says what is wrong, or nothing."""

    id: str
    title: str
    citation: str
    find_fault: Callable[[datetime], str]


CONTROLS: list[Control] = []


def control(name: str, title: str, citation: str) -> Callable[[Callable[[datetime], str]], Callable[[datetime], str]]:
    """Register a function as a control; ids are never renamed or reused."""

    def register(find_fault: Callable[[datetime], str]) -> Callable[[datetime], str]:
        assert name not in {known.id for known in CONTROLS}
        CONTROLS.append(Control(name, title, citation, find_fault))
        return find_fault

    return register


def run(*, now: datetime) -> list[Result]:
    """All controls in their order; one that cannot be looked at fails."""
    return [Result(each.id, each.title, each.citation, _try(each, now)) for each in CONTROLS]


def _try(each: Control, now: datetime) -> str:
    try:
        return each.find_fault(now)
    except Exception as error:
        # The edge of the loop: a control that breaks must neither pass nor hide the others.
        logging.getLogger(__name__).exception("The control %s could not be looked at.", each.id)
        return f"It could not be looked at: {type(error).__name__}."


# --- Settings and files -------------------------------------------------------------------------------------------


@control("settings.checks", "Dangerous settings are refused", "45 CFR 164.306(a)")
def _settings(_: datetime) -> str:
    found = [check for check in run_checks(include_deployment_checks=True) if check.level >= ERROR]
    found += [check for check in run_checks(tags=[Tags.database], databases=["default"]) if check.level >= ERROR]
    return _list("Errors of manage.py check", sorted({str(check.id) for check in found}))


@control("settings.transport", "People and programs reach us encrypted", "164.312(e)(1)")
def _https(_: datetime) -> str:
    if not settings.PUBLIC_URL.startswith("https://"):
        return "PUBLIC_URL is not https."
    return "" if settings.SESSION_COOKIE_SECURE and settings.CSRF_COOKIE_SECURE else "Cookies travel in the clear."


@control(
    "settings.services", "Database, Redis and key service are reached encrypted or on this machine", "164.312(e)(2)(ii)"
)
def _services(_: datetime) -> str:
    faults = []
    place = settings.DATABASES["default"]
    host, mode = str(place.get("HOST") or ""), (place.get("OPTIONS") or {}).get("sslmode")
    is_far = connection.vendor == "postgresql" and host not in _LOOPBACK and not host.startswith("/")
    if is_far and mode not in {"verify-full", "verify-ca"}:
        faults.append("the database (write ?sslmode=verify-full)")
    redis = urlsplit(settings.REDIS_URL)
    if redis.scheme == "redis" and redis.hostname not in _LOOPBACK:
        faults.append("Redis (write rediss://)")
    service = urlsplit(settings.KEY_SERVICE["url"])
    if service.scheme == "http" and service.hostname not in _LOOPBACK:
        faults.append("the key service (write https://)")
    return _list("Not encrypted", faults)


@control("settings.files", "Nobody else on this machine reads our files", "164.310(c), 164.312(a)(1)")
def _files(_: datetime) -> str:
    others = stat.S_IRWXG | stat.S_IRWXO
    paths = [settings.VAR_DIR, settings.KEY_RING_FILE]
    return _list("Open to others", [path.name for path in paths if path.exists() and path.stat().st_mode & others])


@control("settings.logs", "Logs carry no statements, recipients or bodies", "164.502(b), 164.514(d)")
def _logs(_: datetime) -> str:
    # Below WARNING aiosmtpd writes recipients and bodies, and Django statements with their values.
    talkers = ("mail.log", "django.db.backends")
    loud = [name for name in talkers if logging.getLogger(name).getEffectiveLevel() < logging.WARNING]
    formatters = settings.LOGGING["formatters"].values()
    if any(each.get("()") != "config.logging.RedactingFormatter" for each in formatters):
        return "A log has a formatter that masks nothing."
    return _list("Too talkative", loud)


@control("settings.core-dumps", "Keys in memory are not written to a core file", "164.312(a)(2)(iv)")
def _dumps(_: datetime) -> str:
    return "" if resource.getrlimit(resource.RLIMIT_CORE)[0] == 0 else "Core files are on (ulimit -c 0)."


# --- Keys, audit, retention ---------------------------------------------------------------------------------------


@control("vault.opens", "What is sealed opens, and only in its place", "164.312(a)(2)(iv), 164.312(c)(1)")
def _vault(_: datetime) -> str:
    sealed = vault.seal(b"self-check", thing="selfcheck", field="a")
    if vault.unseal(sealed, thing="selfcheck", field="a") != b"self-check":
        return "A sealed value does not open."
    try:
        vault.unseal(sealed, thing="selfcheck", field="b")
    except vault.SealBroken:
        return ""
    return "A sealed value opens in a foreign place."


@control("audit.sound", "The audit trail is whole", "164.312(b), 164.312(c)(2)")
def _audit(_: datetime) -> str:
    report = verify()
    return "" if report.is_sound else f"{len(report.problems)} problems; run manage.py verify_audit."


@control("audit.guarded", "The database refuses to change evidence", "164.316(b)(2)(i)")
def _guards(_: datetime) -> str:
    return _list("Missing triggers", sorted(find_missing(connection)))


@control("audit.published", "The trail's end is known outside of the database", "164.312(b)")
def _published(now: datetime) -> str:
    old = AuditEvent.objects.filter(at__lt=now - timedelta(hours=3)).exists()
    return (
        ""
        if not old or settings.AUDIT_CHECKPOINT_FILE.exists()
        else "There is no file of checkpoints: does the worker run?"
    )


@control("retention.content", "Content dies on its day", "164.310(d)(2)(i)")
def _content(now: datetime) -> str:
    overdue = clocks.read_clocks(now=now).overdue
    return f"{overdue} keys should have been destroyed: does the worker run?" if overdue else ""


@control("retention.evidence", "Evidence is kept for six years", "164.316(b)(2)(i)")
def _evidence(_: datetime) -> str:
    return "" if settings.EVIDENCE_YEARS >= 6 else "EVIDENCE_YEARS is below 6."


# --- People -------------------------------------------------------------------------------------------------------


@control("people.second-factor", "Whoever works under an agreement has a second factor", "164.312(d)")
def _factors(_: datetime) -> str:
    people = {user for (user,) in _members().values_list("user")}
    missing = len(people) - SecondFactor.objects.filter(user__in=people, confirmed_at__isnull=False).count()
    return f"{missing} people have none yet." if missing else ""


@control("people.logoff", "Idle sessions end", "164.312(a)(2)(iii)")
def _logoff(_: datetime) -> str:
    return "" if timedelta(minutes=15) >= sessions.IDLE else "Sessions last too long."


@control(
    "people.officer", "Every account has an officer and somebody else who approves", "164.308(a)(2), 164.308(a)(4)"
)
def _officers(_: datetime) -> str:
    faults = []
    for account in _accounts():
        roles = Membership.objects.filter(account=account, user__is_active=True).values_list("role", "user")
        eyes = {user for role, user in roles if role in {"author", "approver", "compliance"}}
        if not any(role == "compliance" for role, _user in roles) or len(eyes) < 2:
            faults.append(account.slug)
    return _list("Accounts", faults)


@control("people.reviews", "The activity of each week is reviewed", "164.308(a)(1)(ii)(D)")
def _reviews(now: datetime) -> str:
    waiting = ActivityReview.objects.filter(signed_at=None)
    late = sum(reviews.is_overdue(review, now=now) for review in waiting)
    return f"{late} weeks wait for an officer." if late else ""


@control("people.emergencies", "Emergency access is reviewed within a day", "164.312(a)(2)(ii)")
def _emergencies(now: datetime) -> str:
    late = EmergencyAccess.objects.filter(reviewed_at=None, opened_at__lt=now - emergency.REVIEW_WITHIN).count()
    return f"{late} wait for an officer." if late else ""


# --- Agreements and features --------------------------------------------------------------------------------------


@control(
    "agreements.customers", "Active accounts have an agreement in effect, and have accepted the terms", "164.504(e)"
)
def _customers(now: datetime) -> str:
    active = Account.objects.filter(baa_status=BaaStatus.ACTIVE).order_by("slug")
    return _list("Accounts", [
        account.slug for account in active
        if recording.find_customer(account.pk, on=now.date()) is None or not terms.is_accepted(account.pk, now=now)
    ])  # fmt: skip


@control(
    "agreements.relays",
    "Whoever runs a relay of an active account has an agreement, and hands mail on over TLS only",
    "164.308(b), 164.314(a), 164.312(e)(1)",
)
def _relays(now: datetime) -> str:
    ways = Transport.objects.filter(account__baa_status=BaaStatus.ACTIVE, is_default=True).exclude(kind="sandbox")
    faults = []
    for way in ways.select_related("account").order_by("account__slug"):
        host = str(read_config(way).get("host", way.kind))
        found = recording.find_subcontractor(host, on=now.date())
        if not recording.is_fit_for_protected(found):
            faults.append(f"{way.account.slug} by {host}")
    return _list("No agreement that says so", faults)


@control("features.listed", "Everything that can be used is listed as eligible or not", "164.308(a)(4)")
def _features(_: datetime) -> str:
    met: list[tuple[features.Kind, str]] = [
        (features.Kind.SCREEN, f"{model._meta.app_label}.{model.__name__}")
        for model in apps.get_models()
        if admin.site.is_registered(model)
    ]
    ours = {"campaigns", "compliance"}
    met += [(features.Kind.COMMAND, name) for name, app in get_commands().items() if app in ours]
    unlisted = (name for kind, name in met if features.find_capability(kind, name).key == UNLISTED.key)
    return _list("Not listed", sorted(unlisted))


def _accounts() -> Iterable[Account]:
    return Account.objects.exclude(baa_status__in=[BaaStatus.NONE, BaaStatus.ENDED]).order_by("slug")


def _members() -> models.QuerySet[Membership]:
    return Membership.objects.filter(user__is_active=True).exclude(
        account__baa_status__in=[BaaStatus.NONE, BaaStatus.ENDED]
    )


def _list(what: str, found: Iterable[str]) -> str:
    named = list(found)
    return f"{what}: {', '.join(named)}." if named else ""
