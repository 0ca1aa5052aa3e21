"""What we say, with an enhanced code in every reply (RFC 3463, RFC 5248); and from our errors to replies."""

from __future__ import annotations

from campaigns.errors import CampaignError

OK = "250 2.0.0 OK"
BYE = "221 2.0.0 Bye"
SENDER_OK = "250 2.1.0 Sender OK"
RECIPIENT_OK = "250 2.1.5 Recipient OK"
GO_ON = "354 End data with <CR><LF>.<CR><LF>"
QUEUED = "250 2.6.0 Message queued as"
LET_IN = "235 2.7.0 Authentication successful"
VERIFY = "252 2.5.0 Send some mail, then we will see"
HELP = "214 2.0.0 See the documentation of the SMTP API"

UNKNOWN = "500 5.5.1 Command unknown"
LINE_TOO_LONG = "500 5.5.2 Line too long"
NOT_TEXT = "500 5.5.2 Commands are UTF-8 text without control characters"
SYNTAX = "501 5.5.4 The command has other arguments"
NO_ARGUMENTS = "501 5.5.4 The command has no arguments"
BAD_BASE64 = "501 5.5.2 Not base64, or not what the mechanism asks for"
CANCELLED = "501 5.7.0 Authentication cancelled"
NOT_IMPLEMENTED = "502 5.5.1 Command not implemented"
GREET_FIRST = "503 5.5.1 Say EHLO first"
NOT_TWICE = "503 5.5.1 Already done"
NOT_NOW = "503 5.5.1 Not within a mail"
NEED_MAIL = "503 5.5.1 Say MAIL first"
NEED_RECIPIENT = "503 5.5.1 No valid recipients"
NO_SUCH_MECHANISM = "504 5.5.4 Use PLAIN or LOGIN"
STARTTLS_FIRST = "530 5.7.0 Must issue a STARTTLS command first"
LOGIN_FIRST = "530 5.7.0 Authentication required"
WRONG_LOGIN = "535 5.7.8 Authentication credentials invalid"
ENCRYPT_FIRST = "538 5.7.11 Encryption required for authentication"
PARAMETER_UNKNOWN = "555 5.5.4 Parameter not known here"
BAD_SENDER = "553 5.1.7 The sender's address is not valid"
NULL_SENDER = "550 5.7.1 Mails of programs have a sender"
TAKEN = "250 2.6.0 Message accepted"
# One sentence for an address that is not here and for one that is somebody else's: nobody learns which (RFC 5321 §3.4).
NOT_OURS = "550 5.7.1 No such mailbox here, and mail is not passed on"
BAD_RECIPIENT = "553 5.1.3 The recipient's address is not valid"
NEEDS_SMTPUTF8 = "553 5.6.7 Addresses beyond ASCII need the SMTPUTF8 parameter"
TOO_LARGE = "552 5.3.4 Message too large"
TOO_MANY_RECIPIENTS = "452 4.5.3 Too many recipients"
NO_ROOM = "452 4.3.1 No room for this mail now, try again"

TOO_MANY_CONNECTIONS = "421 4.7.0 Too many connections"
TOO_MANY_FAULTS = "421 4.7.0 Too many errors"
TOO_MANY_MAILS = "421 4.7.0 Too many mails in one connection"
NOT_WELCOME = "421 4.7.0 The key or password is no longer valid"
TOO_SLOW = "421 4.4.2 Timeout"
CLOSING = "421 4.3.2 The service is stopping"
LATER = "451 4.3.0 Not possible now, try again later"
LOGIN_LATER = "454 4.7.0 Temporary authentication failure"

# By the beginning of our codes, the longest that fits first.
_CODES = (
    ("inbound.loop", "554 5.4.6"),
    ("mail.line-too-long", "500 5.5.2"),
    ("mail.too-large", "552 5.3.4"),
    ("mail.finished-marketing", "554 5.7.1"),
    ("request.too-large", "552 5.3.4"),
    ("request.too-many-recipients", "452 4.5.3"),
    ("request.no-recipients", "554 5.5.1"),
    ("request.no-transport", "451 4.3.5"),
    ("request.rate-limited", "451 4.7.1"),
    ("request.key-reused", "554 5.5.4"),
    ("request.", "554 5.5.4"),
    ("control.", "554 5.5.4"),
    ("mail.", "554 5.6.0"),
    ("header.", "554 5.6.0"),
    ("sender.not-one", "553 5.7.1"),
    ("sender.", "550 5.7.1"),
    ("address.needs-smtputf8", "553 5.6.7"),
    ("address.", "553 5.1.3"),
    ("attachment.", "554 5.7.1"),
    ("hipaa.smtp-endpoint-required", "535 5.7.8"),
    # A stop is lifted: what would be lost for good is to come again.
    ("hipaa.stopped", "451 4.7.1"),
    ("hipaa.keys-unavailable", "451 4.3.0"),
    ("hipaa.", "550 5.7.1"),
    ("key.locked", "454 4.7.0"),
    ("key.", "535 5.7.8"),
    ("account.", "535 5.7.8"),
)


def say(error: CampaignError) -> str:
    """The reply to what one of our rooms refused; its text names nobody and stays on one line."""
    code = next((code for beginning, code in _CODES if error.code.startswith(beginning)), "")
    code = code or ("451 4.3.0" if error.status >= 500 or error.status == 429 else "554 5.7.0")
    # Refusals under HIPAA are looked up by their codes, the same at every door.
    shown = f" [{error.code}]" if error.code.startswith("hipaa.") else ""
    text = " ".join(f"{error.safe_text} {error.action}{shown}".split())
    return f"{code} {text.encode('ascii', 'replace').decode('ascii')}"[:500]


def queued(message_id: str) -> str:
    """The one reply after which the mail is ours (SU-07)."""
    return f"{QUEUED} {message_id}"
