"""Requests over kept connections, as fast as they are answered, with as little work here as possible."""

from __future__ import annotations

import socket
import statistics
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

_CHUNK = 1 << 16


@dataclass(frozen=True, slots=True)
class Answered:
    """How many requests were answered in so many seconds, and how long each took in milliseconds."""

    count: int
    seconds: float
    times: tuple[float, ...] = ()

    @property
    def rate(self) -> float:
        return self.count / self.seconds

    def percentile(self, percent: int) -> float:
        return statistics.quantiles(self.times, n=100)[percent - 1] if len(self.times) > 1 else 0.0


def ask(port: int, paths: Sequence[str], *, seconds: float, connections: int) -> Answered:
    """Ask for the paths in turn for so long, one request at a time on each connection.

    Every answer must be as long as the first one, which is how the end of each is known.
    """
    results: list[Answered] = []
    until = time.perf_counter() + seconds

    def work(number: int) -> None:
        results.append(_work(port, paths[number::connections], until=until))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(connections)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took = time.perf_counter() - began
    return Answered(sum(one.count for one in results), took, tuple(t for one in results for t in one.times))


def _work(port: int, paths: Sequence[str], *, until: float) -> Answered:
    requests = [_request(path) for path in paths]
    times: list[float] = []
    count = 0
    with socket.create_connection(("127.0.0.1", port), timeout=30) as server:
        server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        length = _first_length(server, requests[0])
        began = time.perf_counter()
        while (now := time.perf_counter()) < until:
            server.sendall(requests[count % len(requests)])
            _read(server, length)
            count += 1
            times.append((time.perf_counter() - now) * 1000)
    return Answered(count, time.perf_counter() - began, tuple(times))


def _request(path: str) -> bytes:
    agent = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/120.0.0.0 Safari/537.36"
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: {agent}\r\n\r\n".encode("ascii")


def _first_length(server: socket.socket, request: bytes) -> int:
    """The length of an answer, its head read to the end and its body as long as the head says."""
    server.sendall(request)
    data = b""
    while b"\r\n\r\n" not in data:
        data += server.recv(_CHUNK)
    head, _, body = data.partition(b"\r\n\r\n")
    if head.split(b" ")[1] not in (b"200", b"302"):
        raise RuntimeError(f"not answered: {head[:100]!r}")
    sizes = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    size = int(sizes[0].split(b":")[1])
    _read(server, size - len(body))
    return len(head) + 4 + size


def _read(server: socket.socket, length: int) -> None:
    while length > 0:
        got = server.recv(_CHUNK)
        if not got:
            raise RuntimeError("the server hung up")
        length -= len(got)
