"""Root keys in AWS KMS: they never leave it. Plain HTTPS with our own signature, no SDK.

https://docs.aws.amazon.com/kms/latest/APIReference/. A key of KMS is changed by naming another key in KEY_SERVICE_KEY:
its own yearly rotation keeps all versions for ever, so it cannot shred.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from compliance.vault.aws_signing import Credentials, sign
from compliance.vault.errors import KeysUnavailable, SealBroken
from compliance.vault.service import Service, read_object

# What KMS answers when the ciphertext, and not the service or our rights, is at fault.
_NOT_OURS = {"InvalidCiphertextException", "IncorrectKeyException"}
_DELETION_DAYS = 7  # the shortest KMS allows


class AwsKms:
    """Symmetric keys of one region; our key ids are `aws:` and the key's id or ARN."""

    def __init__(self, service: Mapping[str, str]) -> None:
        region = service["region"]
        self._service = Service(service["url"] or f"https://kms.{region}.amazonaws.com", ca_file=service["ca_file"])
        self._key = service["key"]
        self._credentials = Credentials(
            service["access_key_id"], service["secret_access_key"], service["session_token"], region
        )

    def active_kid(self) -> str:
        return f"aws:{self._key}"

    def wrap(self, bare: bytes) -> tuple[str, bytes]:
        answer = self._ask("Encrypt", {"KeyId": self._key, "Plaintext": _encode(bare)})
        return self.active_kid(), _decode(answer, "CiphertextBlob")

    def unwrap(self, kid: str, wrapped: bytes) -> bytes:
        # Naming the key keeps KMS from opening what somebody else's key has wrapped.
        answer = self._ask("Decrypt", {"KeyId": _key_of(kid), "CiphertextBlob": _encode(wrapped)})
        return _decode(answer, "Plaintext")

    def rewrap(self, kid: str, wrapped: bytes) -> tuple[str, bytes]:
        keys = {"SourceKeyId": _key_of(kid), "DestinationKeyId": self._key}
        answer = self._ask("ReEncrypt", {"CiphertextBlob": _encode(wrapped), **keys})
        return self.active_kid(), _decode(answer, "CiphertextBlob")

    def add(self) -> str:
        # Who may make keys, and what they cost, is decided in AWS: name the new one in KEY_SERVICE_KEY.
        return self.active_kid()

    def destroy(self, kid: str) -> str:
        self._ask("ScheduleKeyDeletion", {"KeyId": _key_of(kid), "PendingWindowInDays": _DELETION_DAYS})
        return f"AWS destroys the key in {_DELETION_DAYS} days; until then it opens nothing."

    def _ask(self, action: str, content: dict[str, Any]) -> dict[str, Any]:
        answer = self._service.ask(
            "/",
            content=content,
            headers=sign(
                self._credentials, url=self._service.base_url, action=action, content=content, now=datetime.now(UTC)
            ),
        )
        found = read_object(answer)
        if answer.status == 200:
            return found
        # The type may come with a namespace in front: com.amazonaws.kms#NotFoundException. A key that is not found may
        # as well be a wrong region in our settings: only a person can tell, and nothing is given up meanwhile.
        if str(found.get("__type", "")).rpartition("#")[2] in _NOT_OURS:
            raise SealBroken
        raise KeysUnavailable


def _key_of(kid: str) -> str:
    return kid.removeprefix("aws:")


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _decode(answer: dict[str, Any], name: str) -> bytes:
    try:
        return base64.b64decode(str(answer[name]), validate=True)
    except (KeyError, binascii.Error):
        raise KeysUnavailable from None
