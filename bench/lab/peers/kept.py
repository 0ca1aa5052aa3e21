"""smtplib over kept connections, with nothing to compute: python -m bench.lab.peers.kept PORT CONNECTIONS MAILS SIZE."""

from __future__ import annotations

import smtplib
import sys
import threading

from bench.lab.children import work_on_signal


def send_all(port: int, connections: int, mails: int, size: int) -> None:
    """So many mails of this size, shared by threads with one connection each."""
    line = b"x" * 76 + b"\r\n"
    body = b"Subject: Spring\r\n\r\n" + line * ((size - 20) // len(line))

    def send(count: int) -> None:
        with smtplib.SMTP("127.0.0.1", port) as relay:
            for _ in range(count):
                relay.sendmail("news@example.com", ["user@example.net"], body)

    shares = [mails // connections + (number < mails % connections) for number in range(connections)]
    threads = [threading.Thread(target=send, args=(share,)) for share in shares]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    port, connections, mails, size = map(int, sys.argv[1:5])
    work_on_signal(lambda: send_all(port, connections, mails, size))
