"""Clients of the HTTP API: many at once over kept connections, in one process."""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import time
from dataclasses import dataclass, field

from bench.lab.children import work_on_signal

_PAUSE = 0.05  # seconds after a connection that was refused or broken


@dataclass(slots=True)
class Tally:
    """What clients were told: times of answers in seconds, ids that were answered by a 200, and failures."""

    times: list[float] = field(default_factory=list)
    answered: list[str] = field(default_factory=list)
    other: int = 0
    broken: int = 0


def make_request(
    path: str, *, key: str, sender: str, recipients: int, message_id: str = "", method: str = "POST"
) -> bytes:
    """The bytes of one request; `message_id` makes it one that can be repeated."""
    if method == "GET":
        return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()
    people = [
        {"destination": f"p{number}@example.com", "placeholders": '{"name": "Ada"}'} for number in range(recipients)
    ]
    if message_id:
        people[0]["messageId"] = message_id
    content = {"subject": "Hello {{name}}", "text": "Your order is on its way. " * 10}
    body = json.dumps({"messages": [{"sender": sender, "destinations": [{"to": people}], "content": content}]}).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: App {key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> int:
    """The status of the answer; raises ConnectionError or an asyncio error when none comes."""
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    lines = head.decode("latin-1").lower().split("\r\n")
    lengths = [int(line.partition(":")[2]) for line in lines if line.startswith("content-length:")]
    if lengths:
        await reader.readexactly(lengths[0])
    return int(lines[0].split()[1])


async def run_client(port: int, request: bytes, *, until: float, tally: Tally) -> None:
    """Ask the same again and again over one connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while time.monotonic() < until:
        began = time.perf_counter()
        status = await ask(reader, writer, request)
        tally.times.append(time.perf_counter() - began)
        tally.other += status != 200
    writer.close()


async def run_stubborn_client(number: int, port: int, *, key: str, sender: str, until: float, tally: Tally) -> None:
    """Send mail after mail, each with an id of its own, and each again and again until it is answered or time is over."""
    count, connection = 0, None
    while time.monotonic() < until:
        count += 1
        name = f"c{number}-{count}"
        request = make_request("/email/4/messages", key=key, sender=sender, recipients=1, message_id=name)
        while time.monotonic() < until:
            try:
                connection = connection or await asyncio.wait_for(asyncio.open_connection("127.0.0.1", port), 5)
                status = await asyncio.wait_for(ask(*connection, request), 30)
            except (OSError, asyncio.IncompleteReadError, TimeoutError):
                tally.broken += 1
                connection = None
                await asyncio.sleep(_PAUSE)
                continue
            if status == 200:
                tally.answered.append(name)
                break
            tally.other += 1
            await asyncio.sleep(_PAUSE)


async def load(port: int, request: bytes, *, clients: int, seconds: float) -> Tally:
    tally, until = Tally(), time.monotonic() + seconds
    await asyncio.gather(*(run_client(port, request, until=until, tally=tally) for _ in range(clients)))
    return tally


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("path")
    parser.add_argument("--key", default="")
    parser.add_argument("--sender", default="")
    parser.add_argument("--recipients", type=int, default=1)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--method", default="POST")
    given = parser.parse_args()
    request = make_request(
        given.path, key=given.key, sender=given.sender, recipients=given.recipients, method=given.method
    )

    def work() -> dict[str, float]:
        tally = asyncio.run(load(given.port, request, clients=given.clients, seconds=given.seconds))
        if tally.other or not tally.times:
            sys.exit(f"{tally.other} of {len(tally.times)} answers were no 200")
        p99 = statistics.quantiles(tally.times, n=100)[98]
        return {"answers": len(tally.times), "p99_ms": p99 * 1000}

    work_on_signal(work)


if __name__ == "__main__":
    main()
