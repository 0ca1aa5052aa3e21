"""Do the names our mail uses lead where they should: links, bounces, answers?"""

from __future__ import annotations

from campaigns.domains.judging import Judgement, say_missing
from campaigns.domains.lookup import Answer, Dns

_MANY = 8


def judge_tracking(*, host: str, target: str, dns: Dns) -> Judgement | None:
    """Whether the host of links is an alias of target, or leads to the same addresses; None without an answer."""
    alias = dns.alias(host)
    if alias.is_temporary:
        return None
    seen = ", ".join(alias.values)
    if target in _chain(host, dns):
        return _judge_end(seen, target, dns)
    found, ours = dns.addresses(host), dns.addresses(target)
    if found.is_temporary or ours.is_temporary:
        return None
    if found.values and set(found.values) <= set(ours.values):
        return Judgement(
            True,
            "tracking.address",
            f"It leads to us, by address. A CNAME to {target} would follow when our address changes.",
            ", ".join(found.values),
            target,
        )
    if alias.values and not found.values:
        return Judgement(
            False,
            "tracking.dangling",
            f"The CNAME leads to {seen}, which does not exist. Change it now: whoever registers that name receives what is "
            "meant for you.",
            seen,
            target,
        )
    if found.values or alias.values:
        return Judgement(
            False,
            "tracking.elsewhere",
            "The name leads to another server than ours.",
            seen or ", ".join(found.values),
            target,
        )
    return Judgement(False, "tracking.missing", say_missing("The CNAME record", alias), fix=target)


def judge_return_mail(*, host: str, target: str, dns: Dns) -> Judgement | None:
    """Whether mail that comes back finds a server: target where we receive it ourselves, any other where not."""
    answer = dns.mail_servers(host)
    if answer.is_temporary:
        return None
    names = _names(answer)
    fix = f"10 {target}" if target else ""
    if not names:
        without = "" if target else " Publish the MX record of the server that holds the mailbox."
        return Judgement(False, "return-mx.missing", _say_no_mx("Bounces", answer) + without, fix=fix)
    seen = ", ".join(answer.values)
    if target and target not in names:
        return Judgement(
            False,
            "return-mx.elsewhere",
            f"Bounces go to {names[0]}. They reach us when it hands them on to us, or when the MX record names {target}.",
            seen,
            fix,
        )
    return _judge_servers("return-mx", names, seen, dns) or Judgement(True, "return-mx.ok", "Bounces find a server.")


def judge_answers(*, host: str, target: str, dns: Dns) -> Judgement | None:
    """Whether the From domain takes mail at all: mailboxes trust a sender that can be answered (MP-10)."""
    answer = dns.mail_servers(host)
    if answer.is_temporary:
        return None
    names = _names(answer)
    if names:
        return _judge_servers("inbound-mx", names, ", ".join(answer.values), dns) or Judgement(
            True, "inbound-mx.ok", "Answers find a server."
        )
    if answer.values:
        return Judgement(
            False,
            "inbound-mx.refuses",
            "The domain says that it takes no mail (a null MX). Some mailboxes refuse mail nobody can answer.",
            ", ".join(answer.values),
            f"10 {target}" if target else "",
        )
    # Without MX the address of the name itself counts (RFC 5321 §5.1).
    if dns.addresses(host).values:
        return Judgement(
            True, "inbound-mx.address-only", "Answers go to the address of the name itself; an MX record is clearer."
        )
    return Judgement(False, "inbound-mx.missing", _say_no_mx("Answers", answer), fix=f"10 {target}" if target else "")


def _names(answer: Answer) -> list[str]:
    return [name for value in answer.values if (name := value.partition(" ")[2])]


def _say_no_mx(what: str, answer: Answer) -> str:
    if answer.is_alias:
        return f"{what} find no server: the CNAME at this name leads to nothing."
    return f"{what} find no server: there is no MX record."


def _judge_servers(area: str, names: list[str], seen: str, dns: Dns) -> Judgement | None:
    """The first server of the list that cannot be reached by its name."""
    for name in names[:_MANY]:
        if dns.alias(name).values:
            return Judgement(
                False,
                f"{area}.alias",
                f"{name} is a CNAME; an MX record must name the server itself (RFC 5321 §5.1).",
                seen,
            )
        found = dns.addresses(name)
        if not found.values and not found.is_temporary:
            return Judgement(False, f"{area}.dangling", f"The MX record names {name}, which does not exist.", seen)
    return None


def _judge_end(seen: str, target: str, dns: Dns) -> Judgement | None:
    ours = dns.addresses(target)
    if ours.is_temporary:
        return None
    if not ours.values:
        return Judgement(
            False, "tracking.target-missing", f"The record is right, but {target} itself has no address yet.", seen
        )
    return Judgement(True, "tracking.ok", "Links lead to us.")


def _chain(host: str, dns: Dns) -> list[str]:
    """The names the alias leads through."""
    found: list[str] = []
    name = host
    while len(found) < _MANY:
        values = dns.alias(name).values
        if not values or values[0] in found:
            break
        name = values[0]
        found.append(name)
    return found
