"""Root keys in the transit engine of HashiCorp Vault (or OpenBao): they never leave it.

https://developer.hashicorp.com/vault/api-docs/secret/transit. Rewrapping happens inside Vault. Binding a data key to its
row is in the wrapped bytes: transit's own associated data cannot be given to its rewrap.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from compliance.vault.errors import KeysUnavailable, SealBroken
from compliance.vault.service import Service, read_object


class VaultTransit:
    """One named key of a transit mount; its versions are our key ids, `vault:NAME:v3`."""

    def __init__(self, service: Mapping[str, str]) -> None:
        self._service = Service(service["url"], ca_file=service["ca_file"])
        self._mount, self._name = service["mount"], service["key"]
        self._headers = {"X-Vault-Token": service["token"], "X-Vault-Request": "true"}
        if service["namespace"]:
            self._headers["X-Vault-Namespace"] = service["namespace"]

    def active_kid(self) -> str:
        found = self._ask(self._name, "keys", None)
        return f"vault:{self._name}:v{found.get('latest_version', '')}"

    def wrap(self, bare: bytes) -> tuple[str, bytes]:
        content = {"plaintext": base64.b64encode(bare).decode("ascii")}
        return _read_wrapped(self._name, self._ask(self._name, "encrypt", content))

    def unwrap(self, kid: str, wrapped: bytes) -> bytes:
        answer = self._ask(_name_in(kid), "decrypt", {"ciphertext": _as_text(wrapped)})
        try:
            return base64.b64decode(str(answer["plaintext"]), validate=True)
        except (KeyError, binascii.Error):
            raise KeysUnavailable from None

    def rewrap(self, kid: str, wrapped: bytes) -> tuple[str, bytes]:
        if _name_in(kid) != self._name:
            return self.wrap(self.unwrap(kid, wrapped))
        return _read_wrapped(self._name, self._ask(self._name, "rewrap", {"ciphertext": _as_text(wrapped)}))

    def add(self) -> str:
        self._ask(self._name, "keys", {}, last="/rotate")
        return self.active_kid()

    def destroy(self, kid: str) -> str:
        # Versions are trimmed from the oldest up to this one: all of them are out of use by then.
        name, keep_from = _name_in(kid), int(kid.rpartition(":v")[2]) + 1
        self._ask(
            name, "keys", {"min_decryption_version": keep_from, "min_encryption_version": keep_from}, last="/config"
        )
        self._ask(name, "keys", {"min_available_version": keep_from}, last="/trim")
        return "Vault has trimmed this version and everything older; its own backups may still hold them."

    def _ask(self, name: str, verb: str, content: object, *, last: str = "") -> dict[str, Any]:
        path = f"/v1/{quote(self._mount)}/{verb}/{quote(name)}{last}"
        answer = self._service.ask(path, content=content, headers=self._headers)
        if answer.status == 204:
            return {}
        # 400 is what Vault says of a ciphertext that is not its own; a refused token is 403, a wrong mount 404.
        if answer.status == 400 and verb in {"decrypt", "rewrap"}:
            raise SealBroken
        if answer.status != 200:
            raise KeysUnavailable
        data = read_object(answer).get("data")
        return data if isinstance(data, dict) else {}


def _read_wrapped(name: str, answer: dict[str, Any]) -> tuple[str, bytes]:
    # vault:v3:<base64>
    text = str(answer.get("ciphertext", ""))
    parts = text.split(":")
    if len(parts) != 3 or parts[0] != "vault" or not text.isascii():
        raise KeysUnavailable
    return f"vault:{name}:{parts[1]}", text.encode("ascii")


def _name_in(kid: str) -> str:
    """A data key opens with the key that wrapped it, also after KEY_SERVICE_KEY names another."""
    return kid.removeprefix("vault:").rpartition(":")[0]


def _as_text(wrapped: bytes) -> str:
    try:
        return wrapped.decode("ascii")
    except UnicodeDecodeError:
        raise SealBroken from None
