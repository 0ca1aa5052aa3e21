"""Key services on loopback: AWS KMS and Vault's transit engine, as far as the vault asks them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
from collections.abc import Callable
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tests.http_server import Asked, LoopbackServer, Reply

SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
TOKEN = "hvs.sample"


class KeyService(LoopbackServer):
    """What both have in common: named random keys, and an `answer` that can be replaced to break it."""

    def __init__(self) -> None:
        super().__init__(self.serve)
        self.keys: dict[str, bytes] = {}

    def serve(self, asked: Asked) -> Reply:
        raise NotImplementedError

    def encrypt(self, name: str, bare: bytes) -> bytes:
        nonce = os.urandom(12)
        return nonce + AESGCM(self.keys[name]).encrypt(nonce, bare, name.encode())

    def decrypt(self, name: str, data: bytes) -> bytes | None:
        try:
            return AESGCM(self.keys[name]).decrypt(data[:12], data[12:], name.encode())
        except (InvalidTag, ValueError):
            return None


class KmsStub(KeyService):
    """AWS KMS with its errors; it believes nobody whose signature it cannot make itself."""

    def __init__(self) -> None:
        super().__init__()
        self.keys = {"key-1": os.urandom(32), "key-2": os.urandom(32)}
        self.actions: list[str] = []

    def settings(self) -> dict[str, str]:
        return {
            "url": self.url, "key": "key-1", "ca_file": "", "region": "eu-north-1", "access_key_id": "AKIDEXAMPLE",
            "secret_access_key": SECRET, "session_token": "", "mount": "transit", "namespace": "", "token": "",
        }  # fmt: skip

    def serve(self, asked: Asked) -> Reply:
        headers = {name.lower(): value for name, value in asked.headers.items()}
        if not is_signed(asked, headers):
            return _refusal("IncompleteSignatureException")
        action = headers["x-amz-target"].removeprefix("TrentService.")
        self.actions.append(action)
        answers: dict[str, Callable[[dict[str, Any]], Reply]] = {
            "Encrypt": self._encrypt, "Decrypt": self._decrypt, "ReEncrypt": self._reencrypt,
            "ScheduleKeyDeletion": self._delete,
        }  # fmt: skip
        content = asked.json()
        named = [content[name] for name in ("KeyId", "SourceKeyId", "DestinationKeyId") if name in content]
        if any(name not in self.keys for name in named):
            return _refusal("com.amazonaws.kms#NotFoundException")
        return answers[action](content)

    def _encrypt(self, content: dict[str, Any]) -> Reply:
        name = content["KeyId"]
        return Reply.of(
            {"KeyId": name, "CiphertextBlob": _text(self.encrypt(name, base64.b64decode(content["Plaintext"])))}
        )

    def _decrypt(self, content: dict[str, Any]) -> Reply:
        bare = self.decrypt(content["KeyId"], base64.b64decode(content["CiphertextBlob"]))
        return _refusal("InvalidCiphertextException") if bare is None else Reply.of({"Plaintext": _text(bare)})

    def _reencrypt(self, content: dict[str, Any]) -> Reply:
        bare = self.decrypt(content["SourceKeyId"], base64.b64decode(content["CiphertextBlob"]))
        if bare is None:
            return _refusal("InvalidCiphertextException")
        return self._encrypt({"KeyId": content["DestinationKeyId"], "Plaintext": _text(bare)})

    def _delete(self, content: dict[str, Any]) -> Reply:
        del self.keys[content["KeyId"]]
        return Reply.of({"KeyId": content["KeyId"], "KeyState": "PendingDeletion"})


class TransitStub(KeyService):
    """The transit engine of a Vault with one key `sealpost` in as many versions as it was rotated."""

    def __init__(self) -> None:
        super().__init__()
        self.latest = 1
        self.keys = {"v1": os.urandom(32)}

    def settings(self) -> dict[str, str]:
        return {
            "url": self.url, "key": "sealpost", "ca_file": "", "region": "", "access_key_id": "",
            "secret_access_key": "", "session_token": "", "mount": "transit", "namespace": "team/mail", "token": TOKEN,
        }  # fmt: skip

    def serve(self, asked: Asked) -> Reply:
        headers = {name.lower(): value for name, value in asked.headers.items()}
        if headers.get("x-vault-token") != TOKEN or headers.get("x-vault-namespace") != "team/mail":
            return Reply.of({"errors": ["permission denied"]}, 403)
        verb, _, rest = asked.path.removeprefix("/v1/transit/").partition("/")
        content = asked.json() if asked.body else {}
        if verb == "keys":
            return self._change(rest.partition("/")[2], content)
        if verb == "encrypt":
            return self._wrapped(base64.b64decode(content["plaintext"]))
        bare = self._open(content["ciphertext"])
        if bare is None:
            return Reply.of({"errors": ["invalid ciphertext: unable to decrypt"]}, 400)
        return self._wrapped(bare) if verb == "rewrap" else _data({"plaintext": _text(bare)})

    def _change(self, what: str, content: dict[str, Any]) -> Reply:
        if what == "rotate":
            self.latest += 1
            self.keys[f"v{self.latest}"] = os.urandom(32)
        elif what == "trim":
            for number in range(1, content["min_available_version"]):
                self.keys.pop(f"v{number}", None)
        elif not what:
            return _data({"name": "sealpost", "latest_version": self.latest})
        return Reply(204, b"")

    def _wrapped(self, bare: bytes) -> Reply:
        name = f"v{self.latest}"
        return _data({"ciphertext": f"vault:{name}:{_text(self.encrypt(name, bare))}"})

    def _open(self, text: str) -> bytes | None:
        version, _, data = text.removeprefix("vault:").partition(":")
        return self.decrypt(version, base64.b64decode(data)) if version in self.keys else None


def is_signed(asked: Asked, headers: dict[str, str]) -> bool:
    """AWS Signature Version 4, made from what arrived on the wire."""
    words = dict(part.strip(",").split("=", 1) for part in headers.get("authorization", "").split()[1:])
    names = words.get("SignedHeaders", "").split(";")
    if not {"host", "x-amz-date", "x-amz-target"} <= set(names):
        return False
    canonical = "\n".join([
        asked.method, asked.path, "", *(f"{name}:{headers[name].strip()}" for name in names), "", ";".join(names),
        hashlib.sha256(asked.body).hexdigest(),
    ])  # fmt: skip
    _, date, region, service, last = words["Credential"].split("/")
    key = ("AWS4" + SECRET).encode()
    for part in (date, region, service, last):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    text = "\n".join([
        "AWS4-HMAC-SHA256", headers["x-amz-date"], f"{date}/{region}/{service}/{last}",
        hashlib.sha256(canonical.encode()).hexdigest(),
    ])  # fmt: skip
    return hmac.compare_digest(hmac.new(key, text.encode(), hashlib.sha256).hexdigest(), words["Signature"])


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _data(content: dict[str, Any]) -> Reply:
    return Reply.of({"request_id": "1", "data": content})


def _refusal(kind: str) -> Reply:
    return Reply(400, json.dumps({"__type": kind, "message": "no"}).encode())
