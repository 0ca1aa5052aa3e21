"""aiosmtpd with a handler that does nothing: python -m bench.lab.smtp_empty PORT. What its documentation shows first."""

from __future__ import annotations

import asyncio
import sys

from aiosmtpd.smtp import SMTP, Envelope, Session


class Nothing:
    """Takes every mail and forgets it."""

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802, ARG002
        return "250 OK"


async def main() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: SMTP(Nothing(), loop=loop, hostname="peer.test"), "127.0.0.1", int(sys.argv[1]), backlog=200
    )
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
