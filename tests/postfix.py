"""A Postfix of the test's own: its configuration, queue and ports in one folder, started and stopped as an instance.

Debian's package is only unpacked for it (`.ci/run` installs it without starting anything); it needs root, because Postfix
changes to a user of its own.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.processes import free_port

PROGRAM = Path("/usr/sbin/postfix")
MISSING = "" if PROGRAM.exists() and os.geteuid() == 0 else "needs Debian's postfix, and root to start it"

_MAIN = """
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
maillog_file = {folder}/mail.log
maillog_file_prefixes = {folder}
myhostname = relay.example.com
mydestination =
local_recipient_maps =
local_transport = error:nobody lives here
alias_maps =
alias_database =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
smtpd_relay_restrictions = permit_mynetworks, reject
relayhost = [127.0.0.1]:{next_hop}
transport_maps = inline:{{ {transports} }}
smtp_dns_support_level = disabled
smtp_host_lookup = native
smtp_tls_security_level = none
notify_classes =
minimal_backoff_time = 1s
maximal_backoff_time = 2s
queue_run_delay = 1s
"""
_MASTER = """
127.0.0.1:{port} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


@contextlib.contextmanager
def start_postfix(*, next_hop: int, transports: Mapping[str, int]) -> Iterator[int]:
    """The port of a Postfix that passes everything to `next_hop`, and mail for these domains to these ports (loopback)."""
    # Not pytest's own folder, which only its owner may enter.
    folder = Path(tempfile.mkdtemp(prefix="postfix-"))
    folder.chmod(0o755)
    port = free_port()
    routes = ", ".join(f"{{ {domain} = smtp:[127.0.0.1]:{number} }}" for domain, number in transports.items())
    (folder / "main.cf").write_text(_MAIN.format(folder=folder, next_hop=next_hop, transports=routes))
    (folder / "master.cf").write_text(_MASTER.format(port=port))
    (folder / "queue").mkdir()
    (folder / "data").mkdir()
    os.chown(folder / "data", pwd.getpwnam("postfix").pw_uid, -1)
    try:
        _run(folder, "start")
        yield port
    except BaseException:
        log = folder / "mail.log"
        print(log.read_text() if log.exists() else "Postfix wrote no log.")  # noqa: T201 - pytest shows it for a failure
        raise
    finally:
        with contextlib.suppress(subprocess.SubprocessError):
            _run(folder, "abort")
        shutil.rmtree(folder, ignore_errors=True)


def _run(folder: Path, command: str) -> None:
    subprocess.run([str(PROGRAM), "-c", str(folder), command], check=True, capture_output=True, timeout=60)
