"""What is wrong with an SPF record, and the record that would be right (SP-01 to SP-03)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from campaigns.domains import spf
from campaigns.domains.judging import PASTE_DAMAGE, Judgement, say_missing
from campaigns.domains.lookup import Dns
from campaigns.domains.spf import Term, Trail

_LOOKS_LIKE_SPF = re.compile(r"^[\s\"\\“”„]*v\s*=\s*spf", re.IGNORECASE)
# Two records or two strings that were joined without the blank between them.
_GLUED = re.compile(r"(?<=[a-z0-9])(?=(?:include|ip4|ip6|exists):|redirect=|[-~?+]all\b)", re.IGNORECASE)
_SPELLINGS = ((re.compile(r"^([-+~?]?)ipv?4?[:=](?=[\d.]+)", re.I), r"\1ip4:"),
              (re.compile(r"^([-+~?]?)ip(?:v6|6)?[:=](?=[\da-f]*:)", re.I), r"\1ip6:"),
              (re.compile(r"^([-+~?]?)(include|a|mx|exists)[=;](?=\S)", re.I), r"\1\2:"),
              (re.compile(r"^(include|a|mx|exists|ip4|ip6):https?://", re.I), r"\1:"))  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Found:
    """One SPF record with where it leads; `wanted` are the terms our mail needs, `is_shared` with the domain's other mail."""

    text: str
    terms: list[Term]
    trail: Trail
    wanted: Sequence[Term]
    is_shared: bool


def judge_spf(*, host: str, wanted: Sequence[Term], is_shared: bool = True, dns: Dns) -> Judgement | None:
    """Whether the one SPF record at host lets our mail pass; None when DNS did not answer on the way (SP-04).

    `wanted` are the terms our servers need; empty when nobody said which servers send. A host `is_shared` when other mail
    than ours has it as its return path.
    """
    answer = dns.texts(host)
    if answer.is_temporary:
        return None
    candidates = [text for text in answer.values if _LOOKS_LIKE_SPF.search(text)]
    seen = "\n".join(candidates)
    if not candidates:
        return _say_missing(say_missing("The SPF record", answer), wanted)
    if len(candidates) > 1:
        return Judgement(
            False,
            "spf.several-records",
            f"There are {len(candidates)} SPF records; receivers take none of them then. Put them into one.",
            seen,
            _merge(candidates, wanted),
        )
    (text,) = candidates
    if not spf.is_record(text) or PASTE_DAMAGE.search(text):
        return Judgement(
            False,
            "spf.damaged",
            "The record has quotation marks, blanks or other signs where none belong. Paste it again.",
            seen,
            _merge([text], wanted),
        )
    terms, unreadable = spf.read_terms(text)
    if unreadable:
        return _say_unreadable(text, unreadable, wanted)
    trail = spf.follow(terms, domain=host, dns=dns)
    if trail.temporary:
        return None
    found = _Found(text, terms, trail, wanted, is_shared)
    judgement = _judge_all(found) or _judge_trail(found, host) or _judge_ours(found) or _give_hints(found)
    return replace(judgement, seen="" if judgement.code == "spf.ok" else seen)


def covers(wanted: Sequence[Term], trail: Trail) -> list[Term]:
    """The wanted terms the record does not lead to."""
    return [term for term in wanted if not _is_covered(term, trail)]


def build_record(terms: Sequence[Term], *, wanted: Sequence[Term] = (), ending: str = "~all") -> str:
    """A record of these terms, each once, ours among them, in the order given."""
    texts: list[str] = []
    for term in [*terms, *wanted]:
        known = {text.lower().removeprefix("+") for text in texts}
        if term.name not in {"all", "redirect"} and term.text.lower().removeprefix("+") not in known:
            texts.append(term.text)
    return " ".join(["v=spf1", *texts, ending])


def _say_missing(sentence: str, wanted: Sequence[Term]) -> Judgement:
    if wanted:
        return Judgement(False, "spf.missing", sentence, fix=build_record((), wanted=wanted))
    return Judgement(
        False,
        "spf.unknown-servers",
        "There is no SPF record. Say below, under “How mail leaves”, which servers send your mail; then the record to "
        "publish is shown here.",
    )


def _judge_all(found: _Found) -> Judgement | None:
    endings = [term for term in found.terms if term.name == "all"]
    if endings and endings[0].passes:
        return Judgement(
            False,
            "spf.allows-everybody",
            "The record ends in +all: it allows the whole world to send in your name, and mailboxes distrust it.",
            fix=build_record(found.terms, wanted=found.wanted),
        )
    return None


def _judge_trail(found: _Found, host: str) -> Judgement | None:
    trail = found.trail
    if trail.broken:
        what = "; ".join(f"{text}: {reason}" for text, reason in trail.broken.items())
        kept = [term for term in found.terms if term.text not in trail.broken]
        return Judgement(
            False,
            "spf.broken-include",
            f"Receivers give up on the record: {what}. Take it out, or ask whose it is.",
            fix=build_record(kept, wanted=found.wanted, ending=_ending(found.terms)),
        )
    if trail.lookups > spf.MOST_LOOKUPS:
        return _judge_lookups(found, host)
    if len(trail.void) > spf.MOST_VOID:
        kept = [term for term in found.terms if term.text not in trail.void]
        return Judgement(
            False,
            "spf.void-lookups",
            f"The record asks {len(trail.void)} times for names that are not there ({', '.join(trail.void)}); receivers "
            f"give up after {spf.MOST_VOID}.",
            fix=build_record(kept, wanted=found.wanted, ending=_ending(found.terms)),
        )
    return None


def _judge_lookups(found: _Found, host: str) -> Judgement:
    """More than ten questions: the dearest are named, and the record is made cheaper without losing a server."""
    trail = found.trail
    dear = sorted(trail.costs.items(), key=lambda item: -item[1])[:4]
    said = (
        f"Following the record takes {trail.lookups} look-ups; receivers stop at {spf.MOST_LOOKUPS} and take it for broken. "
        f"The most are caused by {', '.join(f'{text} ({cost})' for text, cost in dear)}."
    )
    cheaper, cost = _cheapen(found)
    if cost <= spf.MOST_LOOKUPS:
        return Judgement(
            False, "spf.too-many-lookups", f"{said} The corrected record allows the same servers.", fix=cheaper
        )
    ours = build_record((), wanted=found.wanted) if found.wanted else ""
    if not found.is_shared:
        return Judgement(
            False,
            "spf.too-many-lookups",
            f"{said} Nothing but our mail uses this name: only ours belong here.",
            fix=ours,
        )
    other = f"bounces.{host}"
    return Judgement(
        False,
        "spf.too-many-lookups",
        f"{said} Give our mail a return path of its own, such as bounces@{other} (below, under “How mail leaves”), and "
        "publish this record there; this one may then lose what is ours.",
        fix=ours,
        fix_host=other if ours else "",
    )


def _cheapen(found: _Found) -> tuple[str, int]:
    """The record without ptr and what finds nothing, with addresses in the place of `a` and `mx`; and its look-ups."""
    trail, kept = found.trail, list[Term]()
    cost, costs = trail.lookups, dict(trail.costs)
    for term in found.terms:
        if term.name == "ptr" or term.text in trail.void:
            cost -= costs.pop(term.text, 0)
        elif term.name in {"a", "mx"} and trail.addresses.get(term.text) and "/" not in term.value:
            cost -= costs.pop(term.text, 0)
            kept += [_address_term(address, term.qualifier) for address in trail.addresses[term.text]]
        else:
            kept.append(term)
    missing = covers(found.wanted, trail)
    cost += sum(term.asks for term in missing)
    return build_record(kept, wanted=missing, ending=_ending(found.terms)), cost


def _address_term(address: str, qualifier: str) -> Term:
    name = "ip6" if ":" in address else "ip4"
    return Term(qualifier, name, address, f"{'' if qualifier == '+' else qualifier}{name}:{address}")


def _judge_ours(found: _Found) -> Judgement | None:
    missing = covers(found.wanted, found.trail)
    if not missing:
        return None
    fix = build_record(found.terms, wanted=missing, ending=_ending(found.terms))
    names = " ".join(term.text for term in missing)
    behind = {term.text for term in found.terms} - {term.text for term in spf.terms_that_count(found.terms)}
    if {term.text for term in missing} <= behind:
        first = build_record(
            [term for term in found.terms if term not in missing], wanted=missing, ending=_ending(found.terms)
        )
        return Judgement(
            False, "spf.after-all", f"{names} stands behind “all”, where it is ignored. Put it before.", fix=first
        )
    refused = [term for term in found.terms if not term.passes and f"{term.name}:{term.value}" in names.split()]
    if refused:
        kept = [term for term in found.terms if term not in refused]
        fix = build_record(kept, wanted=missing, ending=_ending(found.terms))
    return Judgement(
        False,
        "spf.ours-missing",
        f"The record does not allow the servers that send your mail: {names} is missing.",
        fix=fix,
    )


def _give_hints(found: _Found) -> Judgement:
    endings = [term for term in found.terms if term.name == "all"]
    if any(term.name == "ptr" for term in found.terms):
        kept = [term for term in found.terms if term.name != "ptr"]
        return Judgement(
            True,
            "spf.ptr",
            "Your mail passes. Take out ptr: it is slow, and many receivers skip it.",
            fix=build_record(kept, ending=_ending(found.terms)),
        )
    if not endings and not any(term.name == "redirect" for term in found.terms):
        return Judgement(
            True,
            "spf.open-end",
            "Your mail passes. The record has no end: with ~all it says that others should not send in your name.",
            fix=build_record(found.terms),
        )
    if endings and endings[0].qualifier == "?":
        return Judgement(
            True,
            "spf.neutral",
            "Your mail passes. ?all says nothing about others; ~all does.",
            fix=build_record(found.terms),
        )
    if not found.wanted:
        return Judgement(
            True,
            "spf.servers-unknown",
            "The record is sound. Whether it allows the servers that send your mail nobody can say before they are named "
            "below, under “How mail leaves”.",
        )
    return Judgement(True, "spf.ok", f"Your mail passes. Look-ups: {found.trail.lookups} of {spf.MOST_LOOKUPS}.")


def _say_unreadable(text: str, unreadable: list[str], wanted: Sequence[Term]) -> Judgement:
    glued = _GLUED.sub(" ", text)
    if glued != text and not spf.read_terms(glued)[1]:
        return Judgement(
            False,
            "spf.glued",
            f"A blank is missing in “{unreadable[0]}”: strings are joined without one. Put it inside the quotation marks.",
            text,
            _merge([glued], wanted),
        )
    return Judgement(
        False,
        "spf.unreadable",
        f"Receivers cannot read “{unreadable[0]}”, and take the whole record for broken.",
        text,
        _merge([text], wanted),
    )


def _merge(texts: Sequence[str], wanted: Sequence[Term]) -> str:
    """One record of all terms that can be read or mended; the softest of their endings, so that nobody is shut out."""
    terms: list[Term] = []
    for text in texts:
        clean = re.sub(r"^v\s*=\s*spf\s*1?\s*", "v=spf1 ", PASTE_DAMAGE.sub("", text).strip(), flags=re.I)
        read = [spf.read_term(_mend(word)) for word in _GLUED.sub(" ", clean).split()[1:]]
        terms += [term for term in read if term is not None]
    # A redirect beside other records becomes an include: it would be ignored beside an `all`.
    terms = [
        Term("+", "include", term.value, f"include:{term.value}") if term.name == "redirect" else term for term in terms
    ]
    return build_record(terms, wanted=wanted, ending=_ending(terms))


def _mend(word: str) -> str:
    for pattern, right in _SPELLINGS:
        word = pattern.sub(right, word)
    return word


def _ending(terms: Sequence[Term]) -> str:
    redirects = [term.text for term in terms if term.name == "redirect"]
    endings = [term.qualifier for term in terms if term.name == "all"]
    if redirects and not endings:
        return redirects[0]
    return "-all" if endings and set(endings) == {"-"} else "~all"


def _is_covered(term: Term, trail: Trail) -> bool:
    network = spf.read_network(term) if term.name in {"ip4", "ip6"} else None
    if network is not None:
        return any(network.version == known.version and _holds(known, network) for known in trail.networks)
    name = term.value.lower().removesuffix(".")
    return (name if term.name == "include" else f"{term.name}:{name}") in trail.names


def _holds(known: spf.Network, network: spf.Network) -> bool:
    return int(known.network_address) <= int(network.network_address) and int(known.broadcast_address) >= int(
        network.broadcast_address
    )
