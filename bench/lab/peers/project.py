"""The peers' own Django project: its database, and its Python when bench/setup has made one."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from bench.lab import machine
from bench.lab.children import Child
from bench.lab.installation import database

_VENV = machine.KEPT / "venv" / "bin" / "python"


class PeerProject:
    """Runs the modules of bench.lab.peers on a database of their own."""

    def __init__(self, folder: Path, *, database_url: str, port: int) -> None:
        self._folder = folder
        self._python = str(_VENV) if _VENV.exists() else sys.executable
        self._environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "bench.lab.peers.settings",
            "PEER_DATABASE_URL": database_url or f"sqlite://{folder / 'peers.sqlite3'}",
            "PEER_PORT": str(port),
        }

    def has(self, package: str) -> bool:
        """True when the peers' Python knows the package."""
        words = [self._python, "-c", f"import importlib.util, sys; sys.exit(not importlib.util.find_spec('{package}'))"]
        return subprocess.run(words, check=False).returncode == 0

    def fill(self, readers: int) -> None:
        """So many readers who have got nothing yet."""
        words = [self._python, "-m", "bench.lab.peers.fill", str(readers)]
        subprocess.run(words, cwd=machine.ROOT, env=self._environment, check=True, stdout=subprocess.DEVNULL)

    def child(self, module: str, *words: str) -> Child:
        return Child(module, *words, env=self._environment, python=self._python)

    def make_key(self) -> Path:
        """A new RSA-2048 key in a file, for dkimpy."""
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        form = serialization.PrivateFormat.TraditionalOpenSSL
        file = self._folder / "dkim.pem"
        file.write_bytes(key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))
        return file


@contextmanager
def peer_project(engine: str, *, port: int) -> Iterator[PeerProject]:
    """The peers on an empty database of the engine, sending to this port."""
    with tempfile.TemporaryDirectory(prefix="bench-peers-") as folder, database(engine) as url:
        yield PeerProject(Path(folder), database_url=url, port=port)
