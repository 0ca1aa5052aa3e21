"""A real DNS server on loopback, for a real resolver to ask."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Self

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.resolver
import dns.rrset

from campaigns.domains.expected import ExpectedRecord
from campaigns.domains.lookup import make_resolver


class DnsServer:
    """Answers over UDP from its zone; a name in `broken` is answered with SERVFAIL, one in `silent` not at all.

    A record is a list of values in zone-file text; a host `*.name` answers for what has no records below name. `follow`
    makes it chase CNAMEs as a recursive server does.
    """

    def __init__(self, *, follow: bool = True) -> None:
        self.records: dict[tuple[str, str], list[str]] = {}
        self.broken: set[str] = set()
        self.silent: set[str] = set()
        self._follow = follow
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, daemon=True)

    @property
    def place(self) -> str:
        return f"127.0.0.1:{self._socket.getsockname()[1]}"

    @property
    def resolver(self) -> dns.resolver.Resolver:
        resolver = make_resolver(self.place)
        resolver.lifetime, resolver.timeout = 1.0, 0.4
        return resolver

    def publish(self, host: str, *texts: Sequence[str]) -> None:
        """Each text is one TXT record, given as its strings."""
        self.records[host, "TXT"] = [" ".join(_quote(string) for string in strings) for strings in texts]

    def alias(self, host: str, target: str) -> None:
        self.records[host, "CNAME"] = [f"{target}."]

    def address(self, host: str, *addresses: str) -> None:
        for kind, sign in (("A", "."), ("AAAA", ":")):
            if found := [address for address in addresses if sign in address]:
                self.records[host, kind] = found

    def mail_servers(self, host: str, *values: str) -> None:
        """Each as `10 mx.example.com`."""
        self.records[host, "MX"] = [f"{value}." for value in values]

    def publish_all(self, records: Iterable[ExpectedRecord]) -> None:
        """Every record as it should be."""
        for record in records:
            if record.type == "TXT":
                self.publish(record.host, record.strings)
            else:
                self.records[record.host, record.type] = [f"{record.value}."]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # An empty datagram ends the thread: closing alone would leave it waiting.
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as farewell:
            farewell.sendto(b"", self._socket.getsockname())
        self._thread.join(5)
        self._socket.close()

    def _serve(self) -> None:
        while True:
            data, client = self._socket.recvfrom(4096)
            if not data:
                return
            query = dns.message.from_wire(data)
            name = query.question[0].name.to_text(omit_final_dot=True).lower()
            if name not in self.silent:
                self._socket.sendto(self._answer(query, name).to_wire(max_size=65535), client)

    def _answer(self, query: dns.message.Message, name: str) -> dns.message.Message:
        response = dns.message.make_response(query)
        response.flags |= dns.flags.RA
        if name in self.broken:
            response.set_rcode(dns.rcode.SERVFAIL)
            return response
        kind = dns.rdatatype.to_text(query.question[0].rdtype)
        for _ in range(0 if kind == "CNAME" else 8):
            target = self._find(name, "CNAME")
            if not target:
                break
            response.answer.append(dns.rrset.from_text(f"{name}.", 60, "IN", "CNAME", *target))
            name = target[0].removesuffix(".").lower()
            if not self._follow:
                return response
        if values := self._find(name, kind):
            response.answer.append(dns.rrset.from_text(f"{name}.", 60, "IN", kind, *values))
        elif not self._exists(name):
            response.set_rcode(dns.rcode.NXDOMAIN)
        return response

    def _find(self, name: str, kind: str) -> list[str]:
        if self._has(name):
            return self.records.get((name, kind), [])
        above = name
        while "." in above:
            above = above.partition(".")[2]
            if self._has(f"*.{above}"):
                return self.records.get((f"*.{above}", kind), [])
        return []

    def _has(self, name: str) -> bool:
        return any(host == name for host, _ in self.records)

    def _exists(self, name: str) -> bool:
        above = name.partition(".")[2]
        return self._has(f"*.{above}") or any(host == name or host.endswith(f".{name}") for host, _ in self.records)


def _quote(string: str) -> str:
    # Zone files write anything but plain ASCII as \DDD.
    escaped = (chr(b) if 32 <= b < 127 and chr(b) not in '"\\' else f"\\{b:03d}" for b in string.encode())
    return f'"{"".join(escaped)}"'
