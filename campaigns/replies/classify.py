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
    r"mailbox (?:is )?(?:unavailable|not available|not accepting)|address (?:rejected|refused)|recipient (?:rejected|refused)|@>? rejected$|cannot deliver|unable to deliver|not deliverable"
)
# ... and those of §4.2.2 for a mailbox, which large servers write word for word.
_STANDARD = re.compile(r"requested (?:mail )?action not taken: mailbox unavailable")
# Somebody switched the mailbox off, and may switch it on again.
_COMES_BACK = re.compile(r"temporar|currently|suspend|locked|frozen|disabled|review")
# An empty name before "User unknown": the sender's domain is what the reader's filter does not know.
_NAMELESS = re.compile(r"(?:^|\s)550:? ?: user unknown")
_NOT_FOR_GOOD = re.compile(
    r"try (?:again )?later|temporary (?:failure|error|problem)|at (?:this time|the moment)|database (?:is )?(?:not available|unavailable|error)"
)

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


@dataclass(frozen=True, slots=True, repr=False)
class _Refusal:
    """What was said: a basic code (0: none), an enhanced one (empty: none), words as `wording` leaves them, a command."""

    code: int
    enhanced: str
    words: str
    command: str

    @property
    def may_pass(self) -> bool:
        """4yz and 4.y.z."""
        return self.enhanced.startswith("4") or (not self.enhanced and 400 <= self.code < 500)


def classify_reply(code: int, enhanced: str, text: str, *, command: str = "") -> Verdict:
    """The reason of a refusal, from its basic code (0: none), enhanced code (empty: none) and words (may be empty).

    `command` is what was refused (HELO, MAIL, RCPT, DATA), empty when unknown. Never raises. A refusal that may pass
    by itself (4yz, 4.y.z) is never `hard` (DS-03).
    """
    if not enhanced or enhanced.endswith((".0.0", ".1.0")):
        enhanced = wording.find_enhanced(text) or enhanced
    said = _Refusal(code or wording.find_code(text), enhanced, wording.normalise(text), command.upper())
    plain = said.words.replace("<@>", "@")
    rule = next((rule for rule in RULES if rule.matches(plain)), None)
    reason = _choose(rule, said) if rule is not None else _read_codes(said)
    # Two authors gave X.7.23 two meanings; both are about us, and the words tell them apart.
    if class_of(reason) != Class.SENDER:
        reason = read_decisive(enhanced) or reason
    return Verdict(_doubt(reason, said, is_own=rule is not None and rule.is_own), enhanced)


def _choose(rule: Rule, said: _Refusal) -> Reason:
    # "5.1.1 inactive address": the code is the more exact of the two.
    if rule.reason == Reason.DISABLED and said.enhanced == "5.1.1" and not _COMES_BACK.search(said.words):
        return Reason.NO_MAILBOX
    is_certain = rule.reason != Reason.NO_MAILBOX or rule.is_own or _proves(said)
    return rule.reason if is_certain else Reason.UNPROVEN


def _proves(said: _Refusal) -> bool:
    """Whether words about a mailbox are a server's answer about it: filters write the same after the whole mail.

    True also where `_doubt` knows better.
    """
    if said.may_pass or said.command or said.enhanced.startswith(("5.1.", "5.7.")):
        return True
    if _AFTER_DATA.search(said.words) or _NAMELESS.search(said.words):
        return True
    return _ABOUT_RECIPIENT.search(said.words) is not None and not said.enhanced.startswith("5.2.")


def _read_codes(said: _Refusal) -> Reason:
    by_status = read_status(said.enhanced)
    if by_status not in {Reason.UNDEFINED, Reason.SYNTAX}:
        return by_status
    if said.code in {550, 551, 553, 554} and _STOCK.search(said.words):
        return Reason.NO_MAILBOX if _proves(said) or _STANDARD.search(said.words) else Reason.UNPROVEN
    return by_status if by_status != Reason.UNDEFINED else read_code(said.code)


def _doubt(reason: Reason, said: _Refusal, *, is_own: bool) -> Reason:
    """A dead address needs a permanent refusal by somebody who looked at the address and nothing else."""
    if reason == Reason.UNDEFINED and said.command in _BEFORE_RECIPIENT:
        return _BEFORE_RECIPIENT[said.command]
    if class_of(reason) != Class.HARD:
        return reason
    if said.may_pass:
        return Reason.TRY_LATER if reason == Reason.NO_MAILBOX else Reason.NETWORK
    if reason == Reason.NO_MAILBOX and not said.enhanced.startswith("5.1.") and _NOT_FOR_GOOD.search(said.words):
        return Reason.TRY_LATER
    # 5.7.1 is a rule's answer, whatever words its author chose; in reply to RCPT those are about the recipient.
    is_rule = said.enhanced.startswith("5.7.") and said.command != "RCPT" and not is_own
    if is_rule or _NAMELESS.search(said.words):
        return Reason.FILTERED
    if said.command in _BEFORE_RECIPIENT:
        return _BEFORE_RECIPIENT[said.command]
    is_late = said.command == "DATA" or _AFTER_DATA.search(said.words)
    says_more = is_own or said.enhanced.startswith("5.1.") or _NO_RECIPIENTS.search(said.words)
    return Reason.FILTERED if is_late and not says_more else reason
