"""Root keys: whoever holds them wraps and unwraps data keys, and nothing else ever leaves.

The data they wrap is 64 bytes. A key id says which provider holds the key: `aws:…`, `vault:…`, anything else is a name
in the key ring. So an installation can change its provider and still open what the old one wrapped, until
`rotate_keys` has wrapped everything anew.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Protocol

from django.conf import settings

from compliance.vault.aws import AwsKms
from compliance.vault.local import KeyRingFile
from compliance.vault.transit import VaultTransit


class RootKeys(Protocol):
    """A place where root keys live; the shared contract test holds every implementation to it.

    Each call raises KeysUnavailable when the place does not answer or refuses, and SealBroken for data that it did not
    wrap. Of a key that is gone it says either.
    """

    def active_kid(self) -> str:
        """The id of the key that wraps now."""
        ...

    def wrap(self, bare: bytes) -> tuple[str, bytes]:
        """(id of the key that wrapped it, the wrapped bytes)."""
        ...

    def unwrap(self, kid: str, wrapped: bytes) -> bytes:
        """What was wrapped."""
        ...

    def rewrap(self, kid: str, wrapped: bytes) -> tuple[str, bytes]:
        """Wrapped anew by the active key; the bare bytes stay inside the place where it can do that."""
        ...

    def add(self) -> str:
        """Make a new key the active one; its id."""
        ...

    def destroy(self, kid: str) -> str:
        """Destroy a key for good, and a sentence about when and what else must be destroyed by hand."""
        ...


def active_root() -> RootKeys:
    """Where new data keys are wrapped, by KEY_PROVIDER."""
    return _root(settings.KEY_PROVIDER)


def root_of(kid: str) -> RootKeys:
    """The place that holds the key."""
    prefix = kid.partition(":")[0]
    return _root(prefix if prefix in {"aws", "vault"} else "local")


def _root(provider: str) -> RootKeys:
    return _build(provider, tuple(sorted(settings.KEY_SERVICE.items())))


@lru_cache(maxsize=8)
def _build(provider: str, service: tuple[tuple[str, str], ...]) -> RootKeys:
    if provider == "aws":
        return AwsKms(dict(service))
    if provider == "vault":
        return VaultTransit(dict(service))
    return KeyRingFile()
