"""The vault: sealed values, the data keys they are sealed under, and the root keys those are wrapped by.

    root key (key ring, AWS KMS or Vault transit)
       └─ wraps a data key: one row for each account and scope
             └─ seals values, each bound to where it belongs

Destroying a data key shreds everything of its scope, and forgetting a root key shreds it in every backup too.
"""

from compliance.vault.errors import KeysUnavailable, SealBroken, Shredded
from compliance.vault.keys import prepare
from compliance.vault.scopes import KeyScope, only_for, standing, until
from compliance.vault.sealing import seal, seal_many, unseal, unseal_many

__all__ = [
    "KeyScope", "KeysUnavailable", "SealBroken", "Shredded", "only_for", "prepare", "seal", "seal_many", "standing",
    "unseal", "unseal_many", "until",
]  # fmt: skip
