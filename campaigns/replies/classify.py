"""From a refusal to its reason: the one classifier, for replies at hand-over and for bounces that come back."""

from __future__ import annotations

import re
from dataclasses import dataclass

from campaigns.replies import wording
from campaigns.replies.meaning import MEANINGS, Class, Reason, class_of
from campaigns.replies.rule import Rule
from campaigns.replies.rules import RULES
from campaigns.replies.statuses import read_code, read_decisive, read_status

# A server that took the recipient and refuses him after the whole mail knows him: filters say this to annoy spammers.
_AFTER_DATA = re.compile(
    r"\b(?:end of|final) \.?(?:data|message)|\bafter (?:i sent the (?:message|data)|data)\b|in reply to (?:the )?data\b|\[data\]$"
)
# ... unless it says that RCPT had been refused already, and DATA only met the consequence.
_NO_RECIPIENTS = re.compile(
    r"(?:need|no|without) (?:valid )?(?:rcpt|recipients?)|valid rcpt|rcpt .{0,30}(?:first|before)|(?:doesn't|does not) have an? \S+ account"
)
# How the largest servers answer RCPT, and nothing else.
_ABOUT_RECIPIENT = re.compile(r"\b55[0-4] (?:5\.\d\.\d )?<@>(?::|\.\.\.)")
# The words of RFC 5321 §4.2.3 for any 550.
_STOCK = re.compile(
    r"mailbox (?:is )?(?:unavailable|not available|not accepting)|address (?:rejected|refused)|recipient (?:rejected|refused)|\brejected$|cannot deliver|unable to deliver|not deliverable"
)
# An empty name before "User unknown": the sender's domain is what the reader's filter does not know.
_NAMELESS = re.compile(r"(?:^|\s)550:? ?: user unknown")

# Nobody had been named yet.
_BEFORE_RECIPIENT = {"HELO": Reason.BLOCKED, "EHLO": Reason.BLOCKED, "MAIL": Reason.SENDER_REFUSED}


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
    plain = words.replace("<@>", "@")
    rule = next((rule for rule in RULES if rule.matches(plain)), None)
    reason = _choose(rule, enhanced) or _read_codes(code, enhanced, words)
    # Two authors gave X.7.23 two meanings; both are about us, and the words tell them apart.
    if class_of(reason) != Class.SENDER:
        reason = read_decisive(enhanced) or reason
    if rule is not None and reason == rule.reason == Reason.NO_MAILBOX and not rule.is_own:
        reason = _doubt_words(words, enhanced=enhanced, command=command.upper())
    is_own = rule is not None and rule.is_own
    reason = _doubt(reason, words, code=code, enhanced=enhanced, command=command.upper(), is_own=is_own)
    return Verdict(reason, enhanced)


def _choose(rule: Rule | None, enhanced: str) -> Reason | None:
    if rule is None:
        return None
    # "5.1.1 inactive address": the code is the more exact of the two.
    return Reason.NO_MAILBOX if rule.reason == Reason.DISABLED and enhanced == "5.1.1" else rule.reason


def _read_codes(code: int, enhanced: str, words: str) -> Reason:
    by_status = read_status(enhanced)
    if by_status not in {Reason.UNDEFINED, Reason.SYNTAX}:
        return by_status
    if code in {550, 551, 553, 554} and _STOCK.search(words):
        return Reason.NO_MAILBOX
    return by_status if by_status != Reason.UNDEFINED else read_code(code)


def _doubt_words(words: str, *, enhanced: str, command: str) -> Reason:
    """Words are certain with a code of their own, or when RCPT was refused: filters say the same after the whole mail."""
    if enhanced.startswith(("4", "5.1.", "5.7.")) or command or _AFTER_DATA.search(words):
        return Reason.NO_MAILBOX
    is_certain = _ABOUT_RECIPIENT.search(words) is not None and not enhanced.startswith("5.2.")
    return Reason.NO_MAILBOX if is_certain else Reason.UNPROVEN


def _doubt(reason: Reason, words: str, *, code: int, enhanced: str, command: str, is_own: bool) -> Reason:
    """A dead address needs a permanent refusal by somebody who looked at the address and nothing else."""
    if reason == Reason.UNDEFINED and command in _BEFORE_RECIPIENT:
        return _BEFORE_RECIPIENT[command]
    if class_of(reason) != Class.HARD:
        return reason
    if enhanced.startswith("4") or (not enhanced and 400 <= code < 500):
        return Reason.TRY_LATER if reason == Reason.NO_MAILBOX else Reason.NETWORK
    # 5.7.1 is a rule's answer, whatever words its author chose; in reply to RCPT those are about the recipient.
    if _NAMELESS.search(words) or (enhanced.startswith("5.7.") and command != "RCPT" and not is_own):
        return Reason.FILTERED
    if command in _BEFORE_RECIPIENT:
        return _BEFORE_RECIPIENT[command]
    is_late = command == "DATA" or _AFTER_DATA.search(words)
    says_more = is_own or enhanced.startswith("5.1.") or _NO_RECIPIENTS.search(words)
    return Reason.FILTERED if is_late and not says_more else reason
