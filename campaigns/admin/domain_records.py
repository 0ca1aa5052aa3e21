"""The records of a domain in plain words: what to publish, what DNS says, and what can be done with a key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from campaigns.admin.words import show_time
from campaigns.domains import expected
from campaigns.domains.expected import ExpectedRecord, Need, expect_key, record_of
from campaigns.domains.judging import TEMPORARY
from campaigns.domains.organisations import registered_domain
from campaigns.domains.rotation import KEPT_PUBLISHED
from campaigns.models import DkimKey, DnsFinding, Domain

_State, _Algorithm = DkimKey.State, DkimKey.Algorithm
_KEY_TITLES = {_State.NEW: "New {}", _State.SIGNING: "{}", _State.RETIRING: "Old {}"}
_KEY_NAMES = {_Algorithm.RSA: "signature key", _Algorithm.ED25519: "second signature key (Ed25519)"}
_PURPOSES = {
    _Algorithm.RSA: "Lets mailboxes check that nobody changed your mail or sent it in your name (DKIM).",
    _Algorithm.ED25519: "A second, shorter signature beside the first, for mailboxes that read it.",
}
# Title and purpose of each record that is no key.
_WORDS = {
    expected.OWNERSHIP: ("Proof that the domain is yours", "Shows that you manage this domain."),
    expected.DMARC: (
        "What to do with forgeries (DMARC)",
        "No large mailbox takes newsletters from a domain without it. p=none will do; a record you have counts as well.",
    ),
    expected.SPF: (
        "Servers that may send for you (SPF)",
        "Looked for at the domain bounces go to. If you have a record there, add to it: two records are as bad as none.",
    ),
    expected.RETURN_MX: ("Where bounces arrive (MX)", "Mail that cannot be delivered comes back to your return path."),
    expected.INBOUND_MX: (
        "Where answers arrive (MX)",
        "People answer newsletters, and mailboxes trust a sender that can be written to.",
    ),
    expected.TRACKING: ("The host of your links (CNAME)", "Links in your mail lead over this name instead of ours."),
    expected.MTA_STS: (
        "Encryption of mail to you (MTA-STS)",
        "Tells other servers to write to you encrypted. It also needs the policy file below, on a web server of yours.",
    ),
    expected.TLS_RPT: (
        "Reports about encryption (TLS-RPT)",
        "Other servers report once a day whether mail to you was encrypted.",
    ),
    expected.BIMI: ("Your logo beside your mail (BIMI)", "Some mailboxes show it once DMARC is strict."),
}
_TYPES = {expected.RETURN_MX: "MX", expected.INBOUND_MX: "MX", expected.TRACKING: "CNAME"}
_NEEDS = {
    expected.OWNERSHIP: Need.REQUIRED, expected.DMARC: Need.REQUIRED, expected.MTA_STS: Need.OPTIONAL,
    expected.TLS_RPT: Need.OPTIONAL, expected.BIMI: Need.OPTIONAL,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class RecordToPublish:
    """A record, what the last look at DNS said about it, and for a key how it is used and what can be done with it.

    `host` and `value` are the corrected ones where something was found wrong; empty when nobody can say them.
    """

    kind: str
    title: str
    purpose: str
    need: Need
    type: str
    host: str
    value: str
    finding: DnsFinding | None
    domain: str
    use: str = ""
    can_change: str = ""
    can_cancel: str = ""

    @property
    def anchor(self) -> str:
        return f"record-{self.kind.replace(':', '-')}"

    @property
    def short_host(self) -> str:
        """The host as providers want it that add the registered domain by themselves."""
        short = self.host.removesuffix(self.domain).removesuffix(".")
        return "@" if not short else short if short != self.host else ""

    @property
    def is_fix(self) -> bool:
        return self.finding is not None and bool(self.finding.fix)

    @property
    def quoted(self) -> str:
        """The value in strings, for those whose DNS wants a long one so."""
        record = ExpectedRecord(self.kind, self.host, self.type, self.value)
        return record.zone_text if self.type == "TXT" and len(record.strings) > 1 else ""

    @property
    def state(self) -> tuple[str, str]:
        """A badge's words and tone."""
        if self.finding is None:
            return ("Not looked up yet", "") if self.need != Need.OPTIONAL else ("Not published", "")
        if self.finding.code == TEMPORARY.code:
            return ("No answer", "is-warn") if not self.finding.ok else ("Found before, no answer now", "is-info")
        if not self.finding.ok:
            return ("Not right yet", "is-warn")
        return ("Found, could be better", "is-info") if self.finding.fix else ("Found", "is-ok")


def list_records(domain: Domain) -> dict[Need, list[RecordToPublish]]:
    """Everything to publish or found, by how much it is needed; the newest key before the older ones."""
    findings = {finding.record: finding for finding in domain.findings.all()}
    keys = list(domain.dkim_keys.filter(state__in=DkimKey.PUBLISHED).order_by("-algorithm", "-pk"))
    places = {record.kind: record for record in expected.all_records(domain)}
    shown = [_show(expected.OWNERSHIP, domain, places, findings)]
    shown += [_show_key(domain, key, keys, findings.get(record_of(key))) for key in keys]
    # Bounces before answers, the offers last; what is neither expected nor found has nothing to show.
    shown += [_show(kind, domain, places, findings) for kind in list(_WORDS)[1:] if kind in places or kind in findings]
    return {need: [record for record in shown if record.need == need] for need in Need}


def list_removable(domain: Domain) -> list[str]:
    """The hosts of records that are still in DNS and that nobody needs any more."""
    found = domain.findings.filter(code="dkim.removable").values_list("record", flat=True)
    selectors = [record.partition(":")[2] for record in found]
    return [expect_key(domain, key).host for key in domain.dkim_keys.filter(selector__in=selectors).order_by("pk")]


def _show(
    kind: str, domain: Domain, places: Mapping[str, ExpectedRecord], findings: Mapping[str, DnsFinding]
) -> RecordToPublish:
    finding, place = findings.get(kind), places.get(kind)
    title, purpose = _WORDS[kind]
    host = (finding.fix_host if finding else "") or (place.host if place else _usual_host(kind, domain))
    # A record found and wanted is no offer any more; one that nobody can give a value for is advice all the same.
    need = _NEEDS.get(kind, Need.ADVISED)
    return RecordToPublish(
        kind,
        title,
        purpose,
        need,
        _TYPES.get(kind, "TXT"),
        host,
        (finding.fix if finding else "") or (place.value if place else ""),
        finding,
        registered_domain(domain.name),
    )


def _usual_host(kind: str, domain: Domain) -> str:
    bounce = expected.bounce_host(domain)
    hosts = {
        expected.INBOUND_MX: domain.name,
        expected.MTA_STS: f"_mta-sts.{bounce}",
        expected.TLS_RPT: f"_smtp._tls.{bounce}",
        expected.BIMI: f"default._bimi.{domain.name}",
    }
    return hosts.get(kind, bounce)


def _show_key(domain: Domain, key: DkimKey, keys: list[DkimKey], finding: DnsFinding | None) -> RecordToPublish:
    states = {other.state for other in keys if other.algorithm == key.algorithm}
    title = _KEY_TITLES[_State(key.state)].format(_KEY_NAMES[_Algorithm(key.algorithm)])
    can_change = domain.is_verified and key.state == _State.SIGNING and _State.NEW not in states
    place = expect_key(domain, key)
    return RecordToPublish(
        place.kind,
        title[:1].upper() + title[1:],
        _explain(key, replaces=_State.SIGNING in states),
        Need.REQUIRED,
        place.type,
        place.host,
        place.value,
        finding,
        registered_domain(domain.name),
        use=_use(domain, key),
        can_change=key.algorithm if can_change else "",
        can_cancel=key.selector if key.state == _State.NEW else "",
    )


def _explain(key: DkimKey, *, replaces: bool) -> str:
    if key.state == _State.RETIRING:
        return "Leave its record where it is for now: mail still on its way was signed with this key."
    if key.state == _State.NEW and replaces:
        return "Publish this record beside the others. Once it is found, this key signs and the old one retires."
    if key.state == _State.NEW:
        return "Publish this record. Once it is found, your mail carries a second signature."
    return _PURPOSES[_Algorithm(key.algorithm)]


def _use(domain: Domain, key: DkimKey) -> str:
    if key.state == _State.RETIRING:
        return f"Replaced on {show_time(key.state_since)}, needed until {show_time(key.state_since + KEPT_PUBLISHED)}"
    if key.state == _State.NEW:
        return "Waits until its record is found"
    return f"In use since {show_time(key.state_since)}" if domain.is_verified else "Signs once the domain is verified"
