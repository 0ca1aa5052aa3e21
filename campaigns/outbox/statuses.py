"""Infobip's registries of statuses and errors, and where each of our outcomes stands in them (infobip.md §3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from campaigns.models import MessageState


@dataclass(frozen=True, slots=True)
class Status:
    """A delivery status; `group` is its number."""

    id: int
    name: str
    group: int
    description: str

    @property
    def group_name(self) -> str:
        return _GROUPS[self.group]

    def as_json(self) -> dict[str, Any]:
        return {
            "groupId": self.group,
            "groupName": self.group_name,
            "id": self.id,
            "name": self.name,
            "description": self.description,
        }


@dataclass(frozen=True, slots=True)
class Fault:
    """A delivery error; `permanent` says whether the same mail may arrive another time."""

    id: int
    name: str
    group: int
    permanent: bool
    description: str

    @property
    def group_name(self) -> str:
        return _FAULT_GROUPS[self.group]

    def as_json(self) -> dict[str, Any]:
        return {
            "groupId": self.group,
            "groupName": self.group_name,
            "id": self.id,
            "name": self.name,
            "description": self.description,
            "permanent": self.permanent,
        }


_GROUPS = {0: "ACCEPTED", 1: "PENDING", 2: "UNDELIVERABLE", 3: "DELIVERED", 4: "EXPIRED", 5: "REJECTED"}
# Email calls them Dropped, Bounced and System errors; the wire knows these names only.
_FAULT_GROUPS = {0: "OK", 1: "HANDSET_ERRORS", 2: "USER_ERRORS", 3: "OPERATOR_ERRORS"}

OPERATOR = Status(2, "DELIVERED_TO_OPERATOR", 3, "Message delivered to operator")
WAITING = Status(3, "PENDING_WAITING_DELIVERY", 1, "Message sent, waiting for delivery report")
ENROUTE = Status(7, "PENDING_ENROUTE", 1, "Message sent to next instance")
ACCEPTED = Status(26, "PENDING_ACCEPTED", 1, "Message accepted, pending for delivery.")
NOT_DELIVERED = Status(9, "UNDELIVERABLE_NOT_DELIVERED", 2, "Message sent not delivered")
NOT_SENT = Status(31, "UNDELIVERABLE_NOT_SENT", 2, "Message not sent")
DELIVERED = Status(5, "DELIVERED_TO_HANDSET", 3, "Message delivered to handset")
EXPIRED = Status(15, "EXPIRED_EXPIRED", 4, "Message expired")
BLOCKLISTED = Status(14, "REJECTED_DESTINATION_BLOCKLISTED", 5, "Destination is on the blocklist")
DUPLICATE = Status(23, "REJECTED_DUPLICATE_MESSAGE_ID", 5, "The message ID is not unique")
SOURCE = Status(11, "REJECTED_SOURCE", 5, "The sender is not registered")
TRANSFORMATION = Status(88, "REJECTED_DATA_TRANSFORMATION_FAILED", 5, "The content could not be made")
VALIDATION = Status(90, "REJECTED_VALIDATION_FAILED", 5, "The message failed validation")
CANCELLED = Status(31, "UNDELIVERABLE_NOT_SENT", 2, "Message cancelled before it was sent")
DESTINATION = Status(52, "REJECTED_DESTINATION", 5, "The destination is not an address")
PLATFORM = Status(100, "UNDELIVERABLE_REJECTED_PLATFORM", 5, "Rejected by the platform")

NO_ERROR = Fault(0, "NO_ERROR", 0, False, "No Error")
SPAM = Fault(6002, "EC_SPAM_DETECTED", 1, True, "Spam detected")
UNSUBSCRIBED = Fault(6003, "EC_UNSUBSCRIBED_EMAIL_ADDRESS", 1, True, "The recipient unsubscribed")
INVALID_ADDRESS = Fault(6006, "EC_INVALID_EMAIL_ADDRESS", 2, True, "Invalid email address")
UNAVAILABLE = Fault(6007, "EC_MAILBOX_TEMPORARY_UNAVAILABLE", 2, False, "Mailbox temporarily unavailable")
GONE = Fault(6009, "EC_MAILBOX_PERMANENTLY_UNAVAILABLE", 2, True, "Mailbox permanently unavailable")
FULL = Fault(6010, "EC_RECIPIENT_INBOX_FULL", 2, False, "Recipient inbox full")
SOFT = Fault(6011, "EC_SOFT_BOUNCE", 2, False, "Soft bounce")
HARD = Fault(6012, "EC_HARD_BOUNCE", 2, True, "Hard bounce")
SYSTEM = Fault(6013, "EC_INTERNAL_SYSTEM_ERROR", 3, False, "Internal system error")
REQUEST_INVALID = Fault(6018, "EC_REQUEST_INVALID", 1, True, "The request is invalid")
PLACEHOLDERS = Fault(6021, "EC_EMAIL_PLACEHOLDERS_ERROR", 1, True, "A placeholder has no usable value")
TOO_MANY_URLS = Fault(6024, "EC_EMAIL_TOO_MANY_URLS", 1, True, "Too many tracked links")
HEADERS = Fault(6027, "EC_EMAIL_INVALID_HEADERS", 1, True, "The headers are invalid")
SENDER = Fault(6029, "EC_SENDER_ADDRESS_INVALID", 1, True, "The sender address is invalid")
SUPPRESSED = Fault(6034, "EC_SUPPRESSED_BOUNCE", 1, True, "The address is suppressed")
UNVERIFIED = Fault(6036, "EC_SENDER_DOMAIN_UNVERIFIED", 1, True, "The sender domain is not verified")
NO_MX = Fault(6037, "EC_RECIPIENT_DOMAIN_MX_NOT_FOUND", 2, True, "The recipient domain takes no mail")
CONTENT_GONE = Fault(6038, "EC_EMAIL_CONTENT_EXPIRED", 1, True, "The content is no longer available")
LANGUAGE = Fault(6039, "EC_EMAIL_TEMPLATE_LANGUAGE_ERROR", 1, True, "The template could not be read")
POLICY = Fault(6045, "EC_RECIPIENT_DOMAIN_POLICY_ERROR", 2, True, "Refused by the policy of the recipient domain")
PROVIDER_RATE = Fault(6058, "EC_MAILBOX_PROVIDER_RATE_LIMIT", 1, False, "Rate limit of the mailbox provider")
WARMUP = Fault(6050, "EC_SENDER_WARMUP", 1, False, "The sender domain is being warmed up")

# What our codes for refusals and failures say, longest beginning first.
_FAULTS: tuple[tuple[str, Status, Fault], ...] = (
    ("recipient.unsubscribed", BLOCKLISTED, UNSUBSCRIBED),
    ("recipient.list-unsubscribed", BLOCKLISTED, UNSUBSCRIBED),
    ("recipient.", BLOCKLISTED, SUPPRESSED),
    ("sender.domain-unverified", VALIDATION, UNVERIFIED),
    ("sender.", SOURCE, SENDER),
    ("attachment.", VALIDATION, REQUEST_INVALID),
    ("message.too-large", VALIDATION, REQUEST_INVALID),
    ("message.content-gone", VALIDATION, CONTENT_GONE),
    ("message.", PLATFORM, SYSTEM),
    ("hipaa.", PLATFORM, REQUEST_INVALID),
    ("gate.", PLATFORM, SYSTEM),
    ("header.", TRANSFORMATION, HEADERS),
    ("content.value-missing", TRANSFORMATION, PLACEHOLDERS),
    ("content.unsafe", TRANSFORMATION, PLACEHOLDERS),
    ("content.control-character", TRANSFORMATION, PLACEHOLDERS),
    ("content.line-break-in-header", TRANSFORMATION, PLACEHOLDERS),
    ("content.too-many-links", VALIDATION, TOO_MANY_URLS),
    ("content.unsubscribe-link-missing", VALIDATION, REQUEST_INVALID),
    ("content.postal-address-missing", VALIDATION, REQUEST_INVALID),
    ("content.", TRANSFORMATION, LANGUAGE),
    ("address.", VALIDATION, INVALID_ADDRESS),
)
# Enhanced status codes (RFC 3463) at the end of codes such as `smtp.550-5.1.1`.
_BOUNCES: tuple[tuple[str, Fault], ...] = (
    ("5.1.10", NO_MX),
    ("5.1.1", INVALID_ADDRESS),
    ("5.1.3", INVALID_ADDRESS),
    ("5.1.2", NO_MX),
    ("5.2.1", GONE),
    ("5.2.2", FULL),
    ("4.2.2", FULL),
    ("5.7.1", POLICY),
    ("4.7.28", PROVIDER_RATE),
    ("4.2.1", UNAVAILABLE),
)


def list_statuses() -> tuple[Status, ...]:
    """Every status a mail can be told to have, by its number."""
    told = {ENROUTE, ACCEPTED, DESTINATION, DELIVERED, OPERATOR, NOT_DELIVERED, EXPIRED, CANCELLED, WAITING, PLATFORM}
    return tuple(sorted(told | {status for _, status, _ in _FAULTS}, key=lambda status: status.id))


def list_faults() -> tuple[Fault, ...]:
    """Every error a mail can be told to have, by its number."""
    told = {NO_ERROR, SYSTEM, SOFT, HARD, *(fault for _, _, fault in _FAULTS), *(fault for _, fault in _BOUNCES)}
    return tuple(sorted(told, key=lambda fault: fault.id))


def judge(state: str, code: str) -> tuple[Status, Fault]:
    """The status and error of a message in this state, which ended (or was last put off) by this code."""
    match state:
        case MessageState.DELIVERED:
            return DELIVERED, NO_ERROR
        case MessageState.SENT:
            # The next mail server took it, which is all that SMTP ever says of a mail that arrives.
            return OPERATOR, NO_ERROR
        case MessageState.BOUNCED:
            return NOT_DELIVERED, _bounce(code)
        case MessageState.EXPIRED:
            return EXPIRED, _bounce(code) if code.startswith("smtp.") else SOFT
        case MessageState.REFUSED | MessageState.FAILED:
            return _refusal(code)
        case MessageState.CANCELLED:
            return CANCELLED, NO_ERROR
        case MessageState.HELD:
            return WAITING, SOFT
        case _:
            return ACCEPTED, _bounce(code) if code.startswith("smtp.") else NO_ERROR


def judge_on_the_way(code: str) -> tuple[Status, Fault]:
    """The status and error of a message that was handed over, or put off by this code, and whose outcome is not known."""
    return WAITING, _bounce(code) if code.startswith("smtp.") else NO_ERROR


def _refusal(code: str) -> tuple[Status, Fault]:
    for beginning, status, fault in _FAULTS:
        if code.startswith(beginning):
            return status, fault
    return PLATFORM, SYSTEM


def _bounce(code: str) -> Fault:
    enhanced = code.rpartition("-")[2]
    for known, fault in _BOUNCES:
        if enhanced == known:
            return fault
    first = enhanced[:1] if enhanced[1:2] == "." else code.partition(".")[2][:1]
    return SOFT if first == "4" else HARD
