"""Is an address worth writing to? Judged by its syntax, its domain in DNS, what is known of such names, and our bounces.

No mail server is asked whether a mailbox exists: providers treat who asks as a spammer, and their answers are worth little.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from campaigns import addresses, tokens
from campaigns.addresses import Address
from campaigns.audiences import wellknown
from campaigns.audiences.mail_servers import Reach
from campaigns.errors import AddressError
from campaigns.models import Account, AddressRisk, MailboxVerdict, Suppression, SuppressionReason

AskReach = Callable[[str], Reach]

_AT_ONCE = 500
TIMED_OUT = "TIMED_OUT"
KNOWN_BOUNCE, DISPOSABLE, NO_MAIL_SERVER = "known_hardbounce", "disposable_address", "no_mail_server"


@dataclass(frozen=True, slots=True, repr=False)
class Verdict:
    """What is known of one address; `key` is its blind index, `suggestion` the domain that was probably meant."""

    key: str
    mailbox: MailboxVerdict
    risk: AddressRisk
    has_valid_syntax: bool = True
    is_disposable: bool = False
    is_role: bool = False
    reason: str = ""
    details: str = ""
    suggestion: str = ""


def check_addresses(account: Account, texts: Sequence[str], *, ask: AskReach) -> list[Verdict]:
    """A verdict for each text, in their order; `ask` says whether an A-label domain takes mail."""
    parsed = [read_address(text) for text in texts]
    keys = [check_key(account, text, address=address) for text, address in zip(texts, parsed, strict=True)]
    bounced = _bounced(account, keys)
    return [
        _judge(address, key=key, has_bounced=key in bounced, ask=ask)
        if address
        else Verdict(key, MailboxVerdict.FALSE, AddressRisk.HIGH, has_valid_syntax=False)
        for address, key in zip(parsed, keys, strict=True)
    ]


def read_address(text: str) -> Address | None:
    """The address in a text, None when there is none."""
    try:
        return addresses.parse(text)
    except AddressError:
        return None


def check_key(account: Account, text: str, *, address: Address | None) -> str:
    """What a checked text is found by: the blind index of its address, or of the text itself when it is none."""
    return tokens.address_key(address or Address(text, text, ""), account=account.public_id)


def _bounced(account: Account, keys: Sequence[str]) -> set[str]:
    found: set[str] = set()
    for start in range(0, len(keys), _AT_ONCE):
        some = Suppression.objects.filter(
            account=account, address_key__in=keys[start : start + _AT_ONCE], reason=SuppressionReason.BOUNCE
        )
        found.update(some.values_list("address_key", flat=True))
    return found


def _judge(address: Address, *, key: str, has_bounced: bool, ask: AskReach) -> Verdict:
    reach = ask(address.domain)
    is_dead = reach is Reach.REFUSES_MAIL
    disposable, role = wellknown.is_disposable(address.domain), wellknown.is_role(address.local)
    suggestion = wellknown.suggest_domain(address.domain, is_dead=is_dead)
    details = KNOWN_BOUNCE if has_bounced else NO_MAIL_SERVER if is_dead else DISPOSABLE if disposable else ""
    is_silent = reach is Reach.NO_ANSWER
    if details:
        risk = AddressRisk.HIGH
    elif suggestion or role:
        risk = AddressRisk.MEDIUM
    else:
        risk = AddressRisk.UNKNOWN if is_silent else AddressRisk.LOW
    return Verdict(
        key,
        MailboxVerdict.FALSE if has_bounced or is_dead else MailboxVerdict.UNKNOWN,
        risk,
        is_disposable=disposable,
        is_role=role,
        reason=TIMED_OUT if is_silent and not has_bounced else "",
        details=details,
        suggestion=suggestion,
    )
