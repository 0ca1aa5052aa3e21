"""What codes alone say: enhanced status codes (RFC 3463, IANA's registry) and basic ones (RFC 5321)."""

from __future__ import annotations

from campaigns.replies.meaning import Reason as R

# Decisive whatever the words say: they name one cause. Most are about the sender, never about the reader (MP-08).
DECISIVE: dict[str, R] = {
    "7.20": R.AUTHENTICATION, "7.21": R.AUTHENTICATION, "7.22": R.AUTHENTICATION, "7.23": R.AUTHENTICATION,
    "7.24": R.AUTHENTICATION, "7.25": R.NO_PTR, "7.26": R.AUTHENTICATION, "7.27": R.AUTHENTICATION,
    "7.28": R.TOO_FAST, "7.29": R.NO_TLS, "7.30": R.AUTHENTICATION, "7.31": R.AUTHENTICATION,
    "7.32": R.AUTHENTICATION, "7.40": R.AUTHENTICATION, "7.509": R.AUTHENTICATION, "7.515": R.AUTHENTICATION,
    "7.13": R.DISABLED,
}  # fmt: skip

STATUSES: dict[str, R] = {
    "1.1": R.NO_MAILBOX, "1.2": R.NO_DOMAIN, "1.3": R.NO_MAILBOX, "1.4": R.SYSTEM, "1.6": R.MOVED,
    "1.7": R.SENDER_REFUSED, "1.8": R.SENDER_REFUSED, "1.9": R.SYSTEM, "1.10": R.NO_MAIL,
    "1.0": R.UNDEFINED,
    "2.0": R.FILTERED, "2.1": R.DISABLED, "2.2": R.MAILBOX_FULL, "2.3": R.TOO_LARGE, "2.4": R.LOCAL_DELIVERY,
    "3.0": R.SYSTEM, "3.1": R.SYSTEM_FULL, "3.2": R.SYSTEM, "3.3": R.SYSTEM, "3.4": R.TOO_LARGE, "3.5": R.SYSTEM,
    "4.0": R.NETWORK, "4.1": R.EXPIRED, "4.2": R.NETWORK, "4.3": R.NETWORK, "4.4": R.NO_DOMAIN, "4.5": R.SYSTEM_FULL,
    "4.6": R.NETWORK, "4.7": R.EXPIRED, "4.14": R.NETWORK,
    "5.0": R.SYNTAX, "5.1": R.SYNTAX, "5.2": R.SYNTAX, "5.3": R.TOO_FAST, "5.4": R.SYNTAX, "5.5": R.SYNTAX,
    "5.6": R.SYNTAX,
    "6.0": R.BAD_CONTENT, "6.1": R.BAD_CONTENT, "6.2": R.BAD_CONTENT, "6.3": R.BAD_CONTENT, "6.4": R.BAD_CONTENT,
    "6.5": R.BAD_CONTENT, "6.6": R.BAD_CONTENT, "6.7": R.BAD_CONTENT, "6.8": R.BAD_CONTENT, "6.9": R.BAD_CONTENT,
    "7.0": R.SECURITY, "7.1": R.POLICY, "7.2": R.SENDER_REFUSED, "7.3": R.SECURITY, "7.4": R.SECURITY,
    "7.5": R.SECURITY, "7.6": R.SECURITY, "7.7": R.SECURITY, "7.8": R.SECURITY, "7.9": R.SECURITY,
    "7.10": R.NO_TLS, "7.11": R.NO_TLS, "7.12": R.SECURITY, "7.14": R.SECURITY, "7.15": R.TRY_LATER,
    "7.16": R.TRY_LATER, "7.17": R.FILTERED, "7.18": R.FILTERED, "7.19": R.FILTERED,
}  # fmt: skip

CODES: dict[int, R] = {
    421: R.TRY_LATER, 422: R.MAILBOX_FULL, 431: R.SYSTEM_FULL, 432: R.TRY_LATER, 441: R.NETWORK, 442: R.NETWORK,
    446: R.NETWORK, 450: R.TRY_LATER, 451: R.SYSTEM, 452: R.SYSTEM_FULL, 454: R.SYSTEM, 455: R.SYNTAX,
    500: R.SYNTAX, 501: R.SYNTAX, 502: R.SYNTAX, 503: R.SYNTAX, 504: R.SYNTAX, 511: R.NO_MAILBOX, 512: R.NO_DOMAIN,
    # 542 is one filtering service's own, for addresses it does not know.
    521: R.NO_MAIL, 542: R.NO_MAILBOX, 523: R.TOO_LARGE, 530: R.SECURITY, 535: R.SECURITY, 550: R.UNDEFINED, 551: R.MOVED,
    552: R.MAILBOX_FULL, 553: R.UNDEFINED, 554: R.UNDEFINED, 555: R.SYNTAX, 556: R.NO_MAIL,
}  # fmt: skip


def read_status(enhanced: str) -> R | None:
    """The meaning of subject and detail, whichever class stands before them."""
    return STATUSES.get(enhanced.partition(".")[2])


def read_decisive(enhanced: str) -> R | None:
    return DECISIVE.get(enhanced.partition(".")[2])
