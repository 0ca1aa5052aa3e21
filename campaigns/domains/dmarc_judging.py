"""What is wrong with the DMARC record that counts for a domain, and the one that would be right (MP-02, DM-02, DM-04)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from campaigns.domains import dmarc
from campaigns.domains.dmarc import POLICIES, Record, Walk
from campaigns.domains.judging import PASTE_DAMAGE, Judgement, say_missing
from campaigns.domains.lookup import Dns
from campaigns.domains.organisations import is_one_organisation, registered_domain

_LOOKS_LIKE_DMARC = re.compile(r"v\s*=\s*dmarc", re.IGNORECASE)
# Old readers want p right behind v; the rest in the order people know.
_ORDER = ("v", "p", "sp", "np", "rua", "ruf", "fo", "adkim", "aspf", "psd", "t")
_REMOVED = ("pct", "rf", "ri")
_WORDS = {
    "none": "Mailboxes report what fails and deliver it",
    "quarantine": "What fails goes to the spam folder",
    "reject": "What fails is refused",
}


def build_record(tags: Mapping[str, str], *, reports_to: str = "") -> str:
    """A record of the known tags, in an order every reader takes; without p it says none."""
    kept = {name: value for name, value in tags.items() if name in _ORDER and name != "v"}
    kept["p"] = policy if (policy := kept.get("p", "").lower()) in POLICIES else "none"
    if reports_to:
        kept.setdefault("rua", f"mailto:{reports_to}")
    return "; ".join(["v=DMARC1", *(f"{name}={kept[name]}" for name in _ORDER if name in kept)])


def judge_dmarc(walk: Walk, *, dns: Dns, reports_to: str = "") -> Judgement | None:
    """Whether a record applies to mail from the domain; None when DNS did not answer and nothing is known (SP-04)."""
    host = f"_dmarc.{walk.start}"
    own = dns.texts(host)
    damaged = [text for text in own.values if _LOOKS_LIKE_DMARC.search(text) and not _is_record(text)]
    record = walk.applied
    if walk.start in walk.several_at or len(damaged) > 1:
        return _say_several(own.values, reports_to)
    if damaged:
        return _say_damaged(damaged[0], reports_to)
    if walk.temporary and (record is None or record.domain != walk.start):
        return None
    if record is None:
        return Judgement(
            False, "dmarc.missing", say_missing("The DMARC record", own), fix=build_record({}, reports_to=reports_to)
        )
    if record.suffix == "y" and record.domain != walk.start:
        return Judgement(
            False,
            "dmarc.registry-only",
            f"Only the registry {record.domain} has a record. Gmail and others ask for one of your own.",
            record.text,
            build_record({}, reports_to=reports_to),
        )
    return _judge_record(walk, record, dns=dns, reports_to=reports_to)


def _is_record(text: str) -> bool:
    return dmarc.read_record(text, domain="") is not None and not PASTE_DAMAGE.search(text)


def _say_several(texts: tuple[str, ...], reports_to: str) -> Judgement:
    found = [text for text in texts if _LOOKS_LIKE_DMARC.search(text)]
    records = [record for text in found if (record := _mend(text))]
    strictest = max(records, key=lambda record: POLICIES.index(record.policy or "none"), default=None)
    return Judgement(
        False,
        "dmarc.several-records",
        f"There are {len(found)} DMARC records; receivers take none of them then. Keep one.",
        "\n".join(found),
        build_record(strictest.tags if strictest else {}, reports_to=reports_to),
    )


def _say_damaged(text: str, reports_to: str) -> Judgement:
    mended = _mend(text)
    return Judgement(
        False,
        "dmarc.damaged",
        "The record has to begin with v=DMARC1, without quotation marks or backslashes in it. Paste it again.",
        text,
        build_record(mended.tags if mended else {}, reports_to=reports_to),
    )


def _mend(text: str) -> Record | None:
    clean = PASTE_DAMAGE.sub("", text).strip()
    return dmarc.read_record(re.sub(r"^v\s*=\s*dmarc\s*1?\s*[;,]?", "v=DMARC1;", clean, flags=re.I), domain="")


def _judge_record(walk: Walk, record: Record, *, dns: Dns, reports_to: str) -> Judgement:
    fixed = build_record(record.tags, reports_to=reports_to)
    host = "" if record.domain == walk.start else f"_dmarc.{record.domain}"
    if not record.policy:
        return Judgement(
            False,
            "dmarc.policy-unknown",
            f"p={record.tags['p']} is no policy: write none, quarantine or reject.",
            record.text,
            fixed,
            host,
        )
    where = "" if record.domain == walk.start else f" by the record of {record.domain}"
    said = f"DMARC is in place{where}. {_WORDS[walk.policy]}."
    found = _give_hint(walk, record, dns) or Judgement(True, "dmarc.ok", "")
    return replace(
        found,
        text=f"{said} {found.text}".strip(),
        seen=record.text,
        fix=(found.fix or fixed) if found.text and not found.fix_host else found.fix,
        fix_host=found.fix_host or (host if found.text else ""),
        policy=walk.policy,
    )


def _give_hint(walk: Walk, record: Record, dns: Dns) -> Judgement | None:
    """The first thing that could be better; nothing here stops a mail."""
    removed = [name for name in _REMOVED if name in record.tags]
    if "p" not in record.tags:
        return Judgement(True, "dmarc.no-policy", "It has no p=, which counts as none; older readers want to see it.")
    if removed:
        names = " and ".join(f"{name}=" for name in removed)
        return Judgement(True, "dmarc.removed-tags", f"Take out {names}: RFC 9989 knows nothing of the kind any more.")
    refused = next((box for box in record.reporters if not _takes_reports(record, box, dns)), "")
    if refused:
        place = refused.rpartition("@")[2].lower()
        return Judgement(
            True,
            "dmarc.reports-refused",
            f"Reports to {place} are not sent: that domain has to say that it takes yours.",
            fix="v=DMARC1",
            fix_host=f"{record.domain}._report._dmarc.{place}",
        )
    if not record.reporters:
        return Judgement(True, "dmarc.no-reports", "Nobody receives reports: with rua= you see who sends in your name.")
    if record.domain != walk.start and record.domain != registered_domain(walk.start):
        return Judgement(
            True,
            "dmarc.unseen-by-old-readers",
            f"Older readers look at {walk.start} and {registered_domain(walk.start)} only, and find none.",
            fix=build_record(record.tags),
            fix_host=f"_dmarc.{walk.start}",
        )
    return None


def _takes_reports(record: Record, box: str, dns: Dns) -> bool:
    """Whether reports may go there: within the organisation, or because the other side says so (DM-04)."""
    place = box.rpartition("@")[2].lower()
    # Reporters still go by the Public Suffix List where the organisation itself has no record.
    if is_one_organisation(place, record.domain):
        return True
    here, there = dmarc.walk(record.domain, dns=dns), dmarc.walk(place, dns=dns)
    if dmarc.is_aligned(here, there, strict=False) is not False:
        return True
    answer = dns.texts(f"{record.domain}._report._dmarc.{place}")
    return answer.is_temporary or any(dmarc.read_record(text, domain=place) for text in answer.values)
