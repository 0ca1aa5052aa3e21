"""Change root keys."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db import transaction

from compliance import audit
from compliance.management.base import ComplianceCommand, operator
from compliance.vault import rotation


class Command(ComplianceCommand):
    help = (
        "Wrap every data key under the active root key. A run that was interrupted goes on where it stopped; mail may "
        "leave meanwhile."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--new-root", action="store_true", help="Make a new root key first. Back it up.")
        parser.add_argument("--dry-run", action="store_true", help="Say what is to be done, and do nothing.")
        parser.add_argument("--batch", type=int, default=500, metavar="KEYS", help="Keys between two lines (500).")
        parser.add_argument("--retire", default="", metavar="ID", help="Then destroy this root key, for good.")
        parser.add_argument("--json", action="store_true", dest="as_json", help="Print JSON for programs.")

    def handle(self, *, new_root: bool, dry_run: bool, batch: int, retire: str, as_json: bool, **options: Any) -> None:
        if batch < 1:
            raise CommandError("--batch must be at least 1.")
        if dry_run:
            kid, waiting = rotation.list_waiting()
            self._tell(as_json, {"active": kid, "waiting": waiting}, f"{waiting:,} data keys wait for {kid}.")
            return
        if new_root:
            kid = rotation.add_root()
            _record("vault.root-added", kid, {})
            self._tell(as_json, {"new_root": kid}, f"{kid} wraps from now on. Back up the key ring now.")
        state = self._rotate(batch, as_json=as_json)
        if retire:
            self._retire(retire, as_json=as_json)
        if state.failed:
            raise CommandError(f"{state.failed:,} data keys do not open and stay as they are.")

    def _rotate(self, batch: int, *, as_json: bool) -> rotation.Rotation:
        state = None
        for state in rotation.rotate(batch=batch):
            figures = {"active": state.kid, "done": state.done, "left": state.left, "failed": state.failed}
            self._tell(as_json, figures, f"{state.done:,} done, {state.left:,} left, {state.failed:,} failed.")
        assert state is not None
        if state.done:
            _record("vault.rotated", state.kid, {"done": state.done, "failed": state.failed})
        return state

    def _retire(self, kid: str, *, as_json: bool) -> None:
        try:
            said = rotation.retire_root(kid)
        except rotation.RootInUse as error:
            raise CommandError("\n".join(error.reasons)) from error
        _record("vault.root-retired", kid, {})
        self._tell(as_json, {"retired": kid, "note": said}, f"{kid} is destroyed. {said}")

    def _tell(self, as_json: bool, figures: dict[str, Any], words: str) -> None:
        self.stdout.write(json.dumps(figures) if as_json else words)


def _record(action: str, kid: str, data: dict[str, int]) -> None:
    # ARNs of keys are longer than the ids of the trail; their end names the key.
    about = audit.Ref("root-key", kid[-64:])
    with transaction.atomic():
        audit.record(action, owner="", actor=operator(), about=about, data=data)
