"""How much one peer, and all of them together, may ask of us (SU-09, evil input 32)."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from campaigns.accounts.presented import read_remote

_IPV6_SITE = 64  # one customer has at least this much of IPv6


@dataclass(frozen=True, slots=True)
class Limits:
    """Times are in seconds."""

    message_bytes: int = 10 * 1024 * 1024
    connections: int = 500
    connections_per_address: int = 50
    recipients: int = 1_000
    refused_recipients: int = 1_000  # of one connection
    mails: int = 10_000  # of one connection
    idle_commands: int = 100  # in a row that bring no mail forward
    faults: int = 10  # commands nobody knows or may give now
    wrong_logins: int = 3
    command_bytes: int = 2_048  # RFC 5321 §4.5.3.1.4: 512, more with extensions
    login_bytes: int = 12_288  # RFC 4954 §4
    bytes_in_flight: int = 256 * 1024 * 1024
    login_seconds: float = 60
    idle_seconds: float = 300  # RFC 5321 §4.5.3.2.7
    data_pause_seconds: float = 120  # between two pieces of a mail
    data_seconds: float = 600  # for a whole mail, however slowly it drips
    pause_after_wrong_login: float = 0.5  # twice as long after the second one, and so on
    goodbye_seconds: float = 20  # for what is on its way when the server is told to stop


# Of servers nobody has invited: a hundred recipients have to be taken at once (RFC 5321 §4.5.3.1.8), and whoever goes
# through a list of names is soon sent away.
INBOUND = Limits(
    message_bytes=20 * 1024 * 1024,
    connections=200, connections_per_address=20, recipients=100, refused_recipients=20, mails=200, idle_commands=50,
    bytes_in_flight=128 * 1024 * 1024,
)  # fmt: skip


class Doorman:
    """Counts who is inside; one of the loop's thread alone."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._inside: Counter[str] = Counter()

    @property
    def inside(self) -> int:
        return self._inside.total()

    def enter(self, remote: str) -> bool:
        """Whether one more from this address may come in; who may has to `leave` again."""
        place = _place(remote)
        limits = self._limits
        if self.inside >= limits.connections or self._inside[place] >= limits.connections_per_address:
            return False
        self._inside[place] += 1
        return True

    def leave(self, remote: str) -> None:
        place = _place(remote)
        self._inside[place] -= 1
        if self._inside[place] <= 0:
            del self._inside[place]


def _place(remote: str) -> str:
    address = read_remote(remote)
    if address is None or address.version == 4:
        return str(address)
    return str(int(address) >> (128 - _IPV6_SITE))


class Memory:
    """Bytes of mails that are being received or stored, over all connections."""

    def __init__(self, limit: int) -> None:
        self._left = limit

    def take(self, count: int) -> bool:
        """Whether there is room; what was taken has to be given back."""
        if count > self._left:
            return False
        self._left -= count
        return True

    def give_back(self, count: int) -> None:
        self._left += count
