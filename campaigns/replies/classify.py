"""From a refusal to its reason: the one classifier, for replies at hand-over and for bounces that come back."""

from __future__ import annotations

import re
from dataclasses import dataclass

from campaigns.replies import wording
from campaigns.replies.meaning import MEANINGS, Class, Reason, class_of
from campaigns.replies.rules import RULES
from campaigns.replies.statuses import CODES, read_decisive, read_status

# A server that took the recipient and refuses him after the whole mail knows him: filters say this to annoy spammers.
_AFTER_DATA = re.compile(r"\b(?:end of|final) \.?(?:data|message)|\bafter (?:i sent the (?:message|data)|data)\b|in reply to (?:the )?data\b|\[data\]$")
# ... unless it says that RCPT had been refused already, and DATA only met the consequence.
_NO_RECIPIENTS = re.compile(r"(?:need|no|without) (?:valid )?(?:rcpt|recipients?)|valid rcpt|rcpt .{0,30}(?:first|before)|(?:doesn't|does not) have an? \S+ account")
# The words of RFC 5321 §4.2.3 for any 550.
_STOCK = re.compile(r"mailbox (?:is )?(?:unavailable|not available|not accepting)|address (?:rejected|refused)|recipient (?:rejected|refused)|\brejected$|cannot deliver|unable to deliver|not deliverable")
# An empty name before "User unknown": the sender's domain is what the reader's filter does not know.
_NAMELESS = re.compile(r"(?:^|\s)550:? ?: user unknown")


@dataclass(frozen=True, slots=True)
class Verdict:
    """Why a mail was refused. `status` is the enhanced code it rests on, empty when there is none."""

    reason: Reason
    status: str = ""

    @property
    def bounce_class(self) -> Class:
        return class_of(self.reason)

    @property
    def text(self) -> str:
        """A sentence for the people of a campaign."""
        return MEANINGS[self.reason].text


def classify_reply(code: int, enhanced: str, text: str, *, command: str = "") -> Verdict:
    """The reason of a refusal, from its basic code (0: none), enhanced code (empty: none) and words (may be empty).

    `command` is what was refused (HELO, MAIL, RCPT, DATA), empty when unknown. Never raises. A refusal that may pass
    by itself (4yz, 4.y.z) is never `hard` (DS-03).
    """
    words = wording.normalise(text)
    code = code or wording.find_code(text)
    if not enhanced or enhanced.endswith(".0.0"):
        enhanced = wording.find_enhanced(text) or enhanced
    reason = read_decisive(enhanced) or _read_words(words, enhanced=enhanced) or _read_codes(code, enhanced, words)
    return Verdict(_doubt(reason, words, code=code, enhanced=enhanced, command=command.upper()), enhanced)


def _read_words(words: str, *, enhanced: str) -> Reason | None:
    for rule in RULES:
        if rule.matches(words):
            # "5.1.1 inactive address": the code is the more exact of the two.
            if rule.reason == Reason.DISABLED and enhanced == "5.1.1":
                return Reason.NO_MAILBOX
            return rule.reason
    return None


def _read_codes(code: int, enhanced: str, words: str) -> Reason:
    by_status = read_status(enhanced)
    if by_status not in {None, Reason.UNDEFINED}:
        return by_status
    if code in {550, 551, 553, 554} and _STOCK.search(words):
        return Reason.NO_MAILBOX
    return CODES.get(code, Reason.UNDEFINED)


def _doubt(reason: Reason, words: str, *, code: int, enhanced: str, command: str) -> Reason:
    """A dead address needs a permanent refusal by somebody who looked at the address and nothing else."""
    if class_of(reason) != Class.HARD:
        return reason
    if enhanced.startswith("4") or (not enhanced and 400 <= code < 500):
        return Reason.TRY_LATER if reason == Reason.NO_MAILBOX else Reason.NETWORK
    if _NAMELESS.search(words) or enhanced.startswith("5.7."):
        return Reason.FILTERED
    if command in {"MAIL", "HELO", "EHLO"}:
        return Reason.SENDER_REFUSED
    is_late = command == "DATA" or _AFTER_DATA.search(words)
    says_more = enhanced.startswith("5.1.") or _NO_RECIPIENTS.search(words)
    return Reason.FILTERED if is_late and not says_more else reason
