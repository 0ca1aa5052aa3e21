"""What codes alone say: enhanced status codes (RFC 3463, IANA's registry) and basic ones (RFC 5321)."""

from __future__ import annotations

from campaigns.replies.meaning import Reason

# Subject and detail, whichever class stands before them. Decisive ones name one cause whatever the words say; most are
# about the sender, never about the reader (MP-08).
_DECISIVE = {
    Reason.AUTHENTICATION: "7.20 7.21 7.22 7.23 7.24 7.26 7.27 7.30 7.31 7.32 7.40 7.509 7.515",
    Reason.NO_PTR: "7.25",
    Reason.TOO_FAST: "7.28",
    Reason.NO_TLS: "7.29",
    Reason.DISABLED: "7.13",
}
_STATUSES = {
    Reason.NO_MAILBOX: "1.1 1.3",
    Reason.NO_DOMAIN: "1.2 4.4",
    Reason.SYSTEM: "1.4 1.9 3.0 3.2 3.3 3.5",
    Reason.MOVED: "1.6",
    Reason.SENDER_REFUSED: "1.7 1.8 7.2",
    Reason.NO_MAIL: "1.10",
    Reason.UNDEFINED: "1.0",
    Reason.FILTERED: "2.0 7.17 7.18 7.19",
    Reason.DISABLED: "2.1",
    Reason.MAILBOX_FULL: "2.2",
    Reason.TOO_LARGE: "2.3 3.4",
    Reason.LOCAL_DELIVERY: "2.4",
    Reason.SYSTEM_FULL: "3.1 4.5",
    Reason.NETWORK: "4.0 4.2 4.3 4.6 4.14",
    Reason.EXPIRED: "4.1 4.7",
    Reason.SYNTAX: "5.0 5.1 5.2 5.4 5.5 5.6",
    Reason.TOO_FAST: "5.3",
    Reason.BAD_CONTENT: "6.0 6.1 6.2 6.3 6.4 6.5 6.6 6.7 6.8 6.9",
    Reason.SECURITY: "7.0 7.3 7.4 7.5 7.6 7.7 7.8 7.9 7.12 7.14",
    Reason.POLICY: "7.1",
    Reason.NO_TLS: "7.10 7.11",
    Reason.TRY_LATER: "7.15 7.16",
}
# 542 is one filtering service's own, for addresses it does not know.
_CODES = {
    Reason.TRY_LATER: "421 432 450",
    Reason.MAILBOX_FULL: "422 552",
    Reason.SYSTEM_FULL: "431 452",
    Reason.NETWORK: "441 442 446",
    Reason.SYSTEM: "451 454",
    Reason.SYNTAX: "455 500 501 502 503 504 555",
    Reason.NO_MAILBOX: "511 542",
    Reason.NO_DOMAIN: "512",
    Reason.NO_MAIL: "521 556",
    Reason.TOO_LARGE: "523",
    Reason.SECURITY: "530 535",
    Reason.UNDEFINED: "550 553 554",
    Reason.MOVED: "551",
}


def _turn(table: dict[Reason, str]) -> dict[str, Reason]:
    return {code: reason for reason, codes in table.items() for code in codes.split()}


_BY_DECISIVE, _BY_STATUS, _BY_CODE = _turn(_DECISIVE), _turn(_STATUSES), _turn(_CODES)


def read_decisive(enhanced: str) -> Reason | None:
    """The one cause an enhanced code names, if it is such a code."""
    return _BY_DECISIVE.get(enhanced.partition(".")[2])


def read_status(enhanced: str) -> Reason:
    """What an enhanced code says by itself."""
    return _BY_STATUS.get(enhanced.partition(".")[2], Reason.UNDEFINED)


def read_code(code: int) -> Reason:
    """What a basic code says by itself."""
    return _BY_CODE.get(str(code), Reason.UNDEFINED)
