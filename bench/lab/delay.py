"""A TCP link with a round-trip time: python -m bench.lab.delay PORT TARGET_PORT MILLISECONDS."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections import deque


class _Pipe:
    """Bytes that arrive so many seconds after they were sent, in order; the end of the stream too."""

    def __init__(self, writer: asyncio.StreamWriter, seconds: float) -> None:
        self._writer, self._seconds = writer, seconds
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[bytes] = deque()

    def send(self, data: bytes) -> None:
        self._waiting.append(data)
        self._loop.call_later(self._seconds, self._deliver)

    def _deliver(self) -> None:
        data = self._waiting.popleft()
        if self._writer.is_closing():
            return
        # The far side may be gone already.
        with contextlib.suppress(OSError):
            if data:
                self._writer.write(data)
            else:
                self._writer.write_eof()


async def _carry(reader: asyncio.StreamReader, pipe: _Pipe) -> None:
    try:
        while data := await reader.read(65536):
            pipe.send(data)
    except ConnectionError:
        pass
    pipe.send(b"")


async def serve(port: int, target: int, *, seconds: float) -> None:
    """Carry every connection to the target; `seconds` is the round-trip time."""

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", target)
        there, back = _Pipe(far_writer, seconds / 2), _Pipe(writer, seconds / 2)
        await asyncio.gather(_carry(reader, there), _carry(far_reader, back))
        await asyncio.sleep(seconds)
        far_writer.close()
        writer.close()

    server = await asyncio.start_server(connect, "127.0.0.1", port, backlog=1000)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), int(sys.argv[2]), seconds=float(sys.argv[3]) / 1000))
