"""The records a sending domain must publish."""

from __future__ import annotations

from dataclasses import dataclass

from campaigns.models import DkimKey, Domain

OWNERSHIP = "ownership"
_STRING_BYTES = 255


@dataclass(frozen=True, slots=True)
class ExpectedRecord:
    """One record to publish; `kind` is the `record` its DnsFinding goes by, `value` the whole text without quotes."""

    kind: str
    host: str
    type: str
    value: str

    @property
    def strings(self) -> tuple[str, ...]:
        """The value in character-strings of at most 255 bytes (RFC 1035 §3.3); readers join them without a space."""
        return tuple(self.value[at : at + _STRING_BYTES] for at in range(0, len(self.value), _STRING_BYTES))

    @property
    def zone_text(self) -> str:
        """The value as a zone file or a provider that asks for quoted strings wants it."""
        return " ".join(f'"{string}"' for string in self.strings)


def expected_records(domain: Domain) -> tuple[ExpectedRecord, ...]:
    """Proof of ownership first, then one record for each DKIM key receivers ask for now, or will soon."""
    keys = domain.dkim_keys.filter(state__in=DkimKey.PUBLISHED).order_by("-algorithm", "pk")
    return (expect_ownership(domain), *(expect_key(domain, key) for key in keys))


def expect_ownership(domain: Domain) -> ExpectedRecord:
    """The record that proves the account controls the domain."""
    return ExpectedRecord(OWNERSHIP, f"_sealpost.{domain.name}", "TXT", f"sealpost-verify={domain.ownership_token}")


def record_of(key: DkimKey) -> str:
    """The `record` a finding about this key goes by."""
    return f"dkim:{key.selector}"


def expect_key(domain: Domain, key: DkimKey) -> ExpectedRecord:
    """The record that publishes a DKIM key (RFC 6376 §3.6.1)."""
    return ExpectedRecord(
        record_of(key),
        f"{key.selector}._domainkey.{domain.name}",
        "TXT",
        f"v=DKIM1; k={key.algorithm}; p={key.public_key}",
    )
