"""Infobip's status and error ids, and what each means to us: at hand-over, and in a delivery report.

Ids are stable, their names are Infobip's. Statuses are below 1000 and errors from 6000 on, so `infobip.<id>` is one or
the other. What concerns the sender or the account and not this mail stops the way out until a person mends it: a whole
campaign must not end as bounces because credits ran out.
"""

from __future__ import annotations

from dataclasses import dataclass

from campaigns.delivery.base import Outcome

_ACCEPTED, _DEFERRED, _REJECTED = Outcome.ACCEPTED, Outcome.DEFERRED, Outcome.REJECTED


@dataclass(frozen=True, slots=True)
class Status:
    """A status at hand-over; `stop` is what to tell a person when nothing can leave until they act."""

    name: str
    outcome: Outcome
    stop: str = ""


@dataclass(frozen=True, slots=True)
class Error:
    """The reason in a report. `is_dead`: the mailbox does not exist. `also`: what else the report tells."""

    name: str
    is_dead: bool = False
    also: str = ""


_CREDITS = "The provider refuses to send until the account there has credit again."
_SENDER = "The provider does not accept the sender of this mail. Register it there."
STATUSES = {
    2: Status("DELIVERED_TO_OPERATOR", _ACCEPTED),
    3: Status("PENDING_WAITING_DELIVERY", _ACCEPTED),
    4: Status("UNDELIVERABLE_REJECTED_OPERATOR", _REJECTED),
    5: Status("DELIVERED_TO_HANDSET", _ACCEPTED),
    6: Status("REJECTED_NETWORK", _DEFERRED),
    7: Status("PENDING_ENROUTE", _ACCEPTED),
    9: Status("UNDELIVERABLE_NOT_DELIVERED", _REJECTED),
    11: Status("REJECTED_SOURCE", _DEFERRED, stop=_SENDER),
    12: Status("REJECTED_NOT_ENOUGH_CREDITS", _DEFERRED, stop=_CREDITS),
    13: Status("REJECTED_SENDER", _DEFERRED, stop="The provider has blocked the sender of this mail. Ask them why."),
    14: Status("REJECTED_DESTINATION_BLOCKLISTED", _REJECTED),
    15: Status("EXPIRED_EXPIRED", _REJECTED),
    17: Status("REJECTED_PREPAID_PACKAGE_EXPIRED", _DEFERRED, stop=_CREDITS),
    18: Status("REJECTED_DESTINATION_NOT_REGISTERED", _REJECTED),
    19: Status("REJECTED_ROUTE_NOT_AVAILABLE", _DEFERRED),
    20: Status("REJECTED_FLOODING_FILTER", _DEFERRED),
    21: Status("REJECTED_SYSTEM_ERROR", _DEFERRED),
    # The id is this message's alone and never that of a refused attempt: one whose answer got lost had been accepted.
    23: Status("REJECTED_DUPLICATE_MESSAGE_ID", _ACCEPTED),
    25: Status("REJECTED_MESSAGE_TOO_LONG", _REJECTED),
    26: Status("PENDING_ACCEPTED", _ACCEPTED),
    29: Status("EXPIRED_DLR_UNKNOWN", Outcome.UNKNOWN),
    31: Status("UNDELIVERABLE_NOT_SENT", _REJECTED),
    51: Status("MISSING_TO", _REJECTED),
    52: Status("REJECTED_DESTINATION", _REJECTED),
    75: Status("REJECTED_FREE_TRIAL_EXCEEDED", _DEFERRED, stop=_CREDITS),
    88: Status("REJECTED_DATA_TRANSFORMATION_FAILED", _REJECTED),
    89: Status("REJECTED_INTERNAL_ERROR", _DEFERRED),
    90: Status("REJECTED_VALIDATION_FAILED", _REJECTED),
    100: Status("UNDELIVERABLE_REJECTED_PLATFORM", _REJECTED),
}
# For ids younger than this table: 0 accepted, 1 pending, 2 undeliverable, 3 delivered, 4 expired, 5 rejected.
GROUPS = {0: _ACCEPTED, 1: _ACCEPTED, 2: _REJECTED, 3: _ACCEPTED, 4: _REJECTED, 5: _REJECTED}
PENDING_GROUPS, DELIVERED_GROUP, FINAL_GROUPS = frozenset({0, 1}), 3, frozenset({2, 4, 5})
DUPLICATE = 23
# It sounds final and is not: the next operator has it, the mailbox does not yet.
INTERMEDIATE = frozenset({2})

ERRORS = {
    6002: Error("EC_SPAM_DETECTED"),
    6003: Error("EC_UNSUBSCRIBED_EMAIL_ADDRESS", also="unsubscribed"),
    6006: Error("EC_INVALID_EMAIL_ADDRESS", is_dead=True),
    6007: Error("EC_MAILBOX_TEMPORARY_UNAVAILABLE"),
    6009: Error("EC_MAILBOX_PERMANENTLY_UNAVAILABLE", is_dead=True),
    6010: Error("EC_RECIPIENT_INBOX_FULL"),
    6011: Error("EC_SOFT_BOUNCE"),
    6012: Error("EC_HARD_BOUNCE", is_dead=True),
    6013: Error("EC_INTERNAL_SYSTEM_ERROR"),
    6016: Error("EC_SENDER_DOMAIN_BOUNCE_BLOCKED"),
    6017: Error("EC_SENDER_IP_BLACKLISTED"),
    6018: Error("EC_REQUEST_INVALID"),
    6020: Error("EC_EMAIL_TEMPLATE_NOT_FOUND"),
    6021: Error("EC_EMAIL_PLACEHOLDERS_ERROR"),
    6023: Error("EC_BLOCKED_SUSPICIOUS_ACTIVITY"),
    6024: Error("EC_EMAIL_TOO_MANY_URLS"),
    6025: Error("EC_EMAIL_INVALID_TRACKING_PARAMS"),
    6026: Error("EC_EMAIL_LANDING_PAGE_PLACEHOLDERS_SIZE_EXCEEDED"),
    6027: Error("EC_EMAIL_INVALID_HEADERS"),
    6029: Error("EC_SENDER_ADDRESS_INVALID"),
    6030: Error("EC_EMAIL_INVALID_LANDING_PAGE"),
    6031: Error("EC_INVALID_PRESERVED_CC_OR_BCC_RECIPIENT"),
    6033: Error("EC_INVALID_CC_BCC_EMAIL_ADDRESS"),
    # Complaints are reported by it too as yet, so it does not say that the mailbox is dead.
    6034: Error("EC_SUPPRESSED_BOUNCE"),
    6035: Error("EC_SUPPRESSED_SPAM_COMPLAINT", also="complained"),
    6036: Error("EC_SENDER_DOMAIN_UNVERIFIED"),
    6037: Error("EC_RECIPIENT_DOMAIN_MX_NOT_FOUND", is_dead=True),
    6038: Error("EC_EMAIL_CONTENT_EXPIRED"),
    6039: Error("EC_EMAIL_TEMPLATE_LANGUAGE_ERROR"),
    6040: Error("EC_EMAIL_TEMPLATE_EXPIRED"),
    6041: Error("EC_EMAIL_TEMPLATE_NOT_SAVED"),
    6042: Error("EC_SPAM_REVERTED"),
    6043: Error("EC_SUSPICIOUS_CONTENT"),
    6044: Error("EC_SUSPICIOUS_SENDER"),
    6045: Error("EC_RECIPIENT_DOMAIN_POLICY_ERROR"),
    6046: Error("EC_UNSOLICITED_RECIPIENT"),
    6047: Error("EC_DOMAIN_CONFIGURATION_ERROR"),
    6048: Error("EC_DMARC_POLICY_ISSUE"),
    6049: Error("EC_SENDER_DOMAIN_BLACKLISTED"),
    6050: Error("EC_SENDER_WARMUP"),
    6051: Error("EC_WARMUP"),
    6052: Error("EC_RECIPIENT_DOMAIN_TYPO"),
    6053: Error("EC_ACCESS_DENIED_BY_MAILBOX_PROVIDER"),
    6054: Error("EC_SINGLE_SENDER_NOT_VERIFIED"),
    6055: Error("EC_SINGLE_SENDER_TRAFFIC_EXCEEDED"),
    6056: Error("EC_NO_IP_POOL_ASSIGNED"),
    6057: Error("EC_SAFETY_RATE_LIMIT"),
    6058: Error("EC_MAILBOX_PROVIDER_RATE_LIMIT"),
}


def judge(status_id: object, group_id: object) -> Status:
    """What a status means at hand-over, by its id or else by its group; unknown when neither says anything."""
    if isinstance(status_id, int) and status_id in STATUSES:
        return STATUSES[status_id]
    outcome = GROUPS.get(group_id) if isinstance(group_id, int) else None
    return Status("", outcome or Outcome.UNKNOWN)


def code_of(number: object) -> str:
    """`infobip.6012`; `infobip.unknown` for what is no id."""
    fits = isinstance(number, int) and not isinstance(number, bool) and 0 <= number < 100_000
    return f"infobip.{number}" if fits else "infobip.unknown"
