"""Evidence leaves in a file that a stranger verifies with Python alone, and that shows every change to it."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.core.management import CommandError, call_command
from django.db import transaction
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from campaigns.errors import CampaignError
from campaigns.models import Account, Message
from compliance import audit, disclosures, shredding, vault
from compliance.agreements import terms
from compliance.approvals import ending, voting
from compliance.approvals.starting import start
from compliance.approvals.submitting import Hit
from compliance.audit import SYSTEM, Ref, checkpoints
from compliance.audit.verify import verify
from compliance.disclosures import Handed
from compliance.evidence import verify_evidence
from compliance.manifest import list_recipients
from compliance.models import Approval, AuditEvent, Disclosure
from compliance.vault import derived
from tests.approvals import NOW, OFFICER, Scene, make_scene
from tests.factories import make_account

Files = dict[str, bytes]
CANARY = "zqcanary"


@pytest.fixture
def scene(db: None) -> Scene:
    """A send that was rejected once, approved by two, begun, shredded and finished, amid other events."""
    scene = make_scene(messages=5)
    Account.objects.filter(pk=scene.account.pk).update(name=f"Clinic {CANARY}")
    Message.objects.filter(submission=scene.submission).update(placeholders_sealed=CANARY.encode())
    terms.current_terms(now=NOW)
    terms.accept_terms(scene.account.pk, owner=scene.owner, version=1, by=scene.officer, now=NOW)
    hit = Hit("phi.condition", "html:4", blocks=False, digest="d1", overridden_by=scene.author.id)
    first = scene.submit(hits=[hit])
    voting.reject(first, by=scene.approver, reason="content", note=f"See {CANARY}", now=NOW)
    approval = scene.submit(hits=[hit])
    tell_something_else(scene)
    scene.approve(approval, confirmed=["d1"])
    scene.approve(approval, by=scene.officer, confirmed=["d1"])
    start(approval, parts=scene.parts(), leaves=scene.leaves(), now=NOW)
    checkpoints.write_checkpoints(now=NOW + timedelta(hours=1))
    vault.seal(b"x", vault.only_for(scene.owner, thing="submission", public_id=str(scene.submission.public_id),
                                    keep_until=NOW + timedelta(days=9999)), account=scene.owner)  # fmt: skip
    ending.finish(approval, now=NOW)
    shredding.shred(
        scene.owner,
        scope_starts=f"submission:{scene.submission.public_id}:",
        reason="retention",
        actor=OFFICER,
        now=NOW,
    )
    return scene


def tell_something_else(scene: Scene) -> None:
    with transaction.atomic():
        audit.record("person.signed-in", owner=scene.owner, actor=SYSTEM, about=Ref("person", "secret-visitor"))


def export(scene: Scene, folder: Path) -> Files:
    path = folder / f"{uuid4().hex}.zip"
    call_command("export_evidence", scene.account.slug, str(scene.campaign.public_id), str(path))
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def judge(files: Files, folder: Path, *words: str) -> tuple[int, str]:
    """What a stranger sees: an unpacked folder, a bare Python that sees no package, no environment."""
    place = folder / uuid4().hex
    place.mkdir()
    for name, data in files.items():
        (place / name).write_bytes(data)
    command = [sys.executable, "-I", "-S", str(place / "verify.py"), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={}, cwd=folder)
    assert done.stderr == ""
    return done.returncode, done.stdout


def resign(files: Files, *, key: Ed25519PrivateKey | None = None) -> Files:
    """The list of files fits again, signed by our key or by another."""
    manifest = json.loads(files["manifest.json"])
    manifest["files"] = {name: hashlib.sha256(files[name]).hexdigest() for name in manifest["files"]}
    if key is not None:
        manifest["public_key"] = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw).hex()
    raw = json.dumps(manifest).encode()
    signature = derived.sign(b"sealpost evidence\0" + raw) if key is None else key.sign(b"sealpost evidence\0" + raw)
    return {**files, "manifest.json": raw, "manifest.sig": signature.hex().encode()}


def test_a_stranger_verifies_the_evidence_with_python_alone(scene: Scene, tmp_path: Path) -> None:
    code, said = judge(export(scene, tmp_path), tmp_path, "--key", derived.public_key().hex())
    assert code == 0, said
    for words in (
        "the list of files is signed", "by the key you were given", "the author's statements", "2 others approved, 2 had to",
        "the 5 messages are the approved list", "hang together", "the checkpoint at event", "was shredded, certified",
    ):  # fmt: skip
        assert f"{words}" in said
    assert "FAIL" not in said


def test_the_zip_can_be_verified_as_it_is(scene: Scene, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "evidence.zip"
    call_command("export_evidence", scene.account.slug, str(scene.campaign.public_id), str(path))
    assert verify_evidence.main([str(path)]) == 0
    assert verify_evidence.main([str(path), "--key", "00" * 32]) == 1
    assert "FAIL the signature is by the key you were given" in capsys.readouterr().out


def test_the_evidence_holds_no_name_no_note_no_content_and_no_foreign_event(scene: Scene, tmp_path: Path) -> None:
    text = b"\n".join(export(scene, tmp_path).values()).decode().lower()
    for secret in (CANARY, "person0@example.org", "secret-visitor"):
        assert secret not in text
    for message in Message.objects.filter(submission=scene.submission):
        assert message.address_key.lower() not in text
        assert str(message.public_id) in text


@pytest.mark.parametrize("name", [
    "approval.json", "audit.jsonl", "checkpoints.json", "messages.jsonl", "README.txt", "shredded.json", "terms.json",
    "manifest.json",
])  # fmt: skip
def test_a_changed_file_is_found(scene: Scene, tmp_path: Path, name: str) -> None:
    files = export(scene, tmp_path)
    code, said = judge({**files, name: files[name].replace(b"1", b"2", 1)}, tmp_path)
    assert code == 1
    assert "FAIL" in said


def test_a_missing_or_an_added_file_is_found(scene: Scene, tmp_path: Path) -> None:
    files = export(scene, tmp_path)
    assert judge({name: data for name, data in files.items() if name != "terms.json"}, tmp_path)[0] == 1
    code, said = judge({**files, "more.txt": b"x"}, tmp_path)
    assert code == 1
    assert "FAIL there is no other file" in said


def swap(text: str, other: str) -> Callable[[bytes], bytes]:
    return lambda data: data.replace(text.encode(), other.encode())


def drop_a_line(data: bytes) -> bytes:
    lines = data.splitlines(keepends=True)
    return b"".join(lines[:1] + lines[2:])


def change_a_vote(data: bytes) -> bytes:
    content = json.loads(data)
    content["votes"][0]["signed"]["voter"] = 99
    return json.dumps(content).encode()


def drop_a_vote(data: bytes) -> bytes:
    content = json.loads(data)
    content["votes"] = content["votes"][1:]
    return json.dumps(content).encode()


def soften_an_attestation(data: bytes) -> bytes:
    return data.replace(b'"basis": "treatment"', b'"basis": "payment"', 1)


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("approval.json", swap('"count": 5', '"count": 6'), "approved digest"),
        ("approval.json", change_a_vote, "the decision of person 99"),
        ("approval.json", drop_a_vote, "1 others approved, 2 had to"),
        ("approval.json", soften_an_attestation, "statements"),
        ("messages.jsonl", drop_a_line, "are the approved list"),
        ("audit.jsonl", drop_a_line, "hang together"),
        ("audit.jsonl", swap("approval.approved", "approval.rejected"), "hang together"),
        ("checkpoints.json", swap('"seq": ', '"seq": 1'), "the checkpoint at event"),
        ("shredded.json", swap("retention", "withdrawn"), "was shredded"),
    ],
)
def test_somebody_who_signs_it_anew_is_found_by_what_was_signed_inside(
    scene: Scene, tmp_path: Path, name: str, change: Callable[[bytes], bytes], words: str
) -> None:
    """Even when the outer signature is ours: decisions, checkpoints, certificates and the trail hold by themselves."""
    files = export(scene, tmp_path)
    changed = {**files, name: change(files[name])}
    assert changed != files
    code, said = judge(resign(changed), tmp_path)
    assert code == 1
    assert any(line.startswith("FAIL") and words in line for line in said.splitlines()), said


def test_evidence_signed_by_somebody_else_fails_inside_and_by_the_key(scene: Scene, tmp_path: Path) -> None:
    forged = resign(export(scene, tmp_path), key=Ed25519PrivateKey.generate())
    code, said = judge(forged, tmp_path, "--key", derived.public_key().hex())
    assert code == 1
    assert "ok   the list of files is signed" in said
    assert "FAIL the signature is by the key you were given" in said
    assert "FAIL 0 others approved" in said


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"files": 7}', b"\xff"])
def test_evidence_that_cannot_be_read_fails_in_words(scene: Scene, tmp_path: Path, data: bytes) -> None:
    code, said = judge({**export(scene, tmp_path), "manifest.json": data}, tmp_path)
    assert code == 1
    assert "FAIL the evidence can be read" in said


def test_evidence_of_a_send_that_never_began_verifies_too(tmp_path: Path, db: None) -> None:
    scene = make_scene()
    scene.submit()
    code, said = judge(export(scene, tmp_path), tmp_path)
    assert code == 0, said


def test_exporting_is_in_the_audit_trail_and_never_overwrites(scene: Scene, tmp_path: Path) -> None:
    path = tmp_path / "evidence.zip"
    path.write_bytes(b"mine")
    with pytest.raises(CommandError, match="exists"):
        call_command("export_evidence", scene.account.slug, str(scene.campaign.public_id), str(path))
    assert path.read_bytes() == b"mine"
    export(scene, tmp_path)
    assert AuditEvent.objects.filter(action="evidence.exported").count() == 1
    assert verify().is_sound


def test_a_stranger_to_the_account_gets_no_evidence(scene: Scene, tmp_path: Path) -> None:
    other = make_account()
    with pytest.raises(CommandError, match="does not exist"):
        call_command("export_evidence", other.slug, str(scene.campaign.public_id), str(tmp_path / "x.zip"))


def test_a_campaign_without_an_approval_has_no_evidence(tmp_path: Path, db: None) -> None:
    scene = make_scene()
    with pytest.raises(CommandError, match="never submitted"):
        call_command("export_evidence", scene.account.slug, str(scene.campaign.public_id), str(tmp_path / "x.zip"))


# --- The verifier's own mathematics -------------------------------------------------------------------------------


@given(seed=st.binary(min_size=32, max_size=32), message=st.binary(max_size=60), flip=st.integers(0, 511))
@hypothesis_settings(max_examples=15)
def test_the_verifier_agrees_with_cryptography_about_signatures(seed: bytes, message: bytes, flip: int) -> None:
    key = Ed25519PrivateKey.from_private_bytes(seed)
    public, signature = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw), key.sign(message)
    assert verify_evidence.is_signed(public, message, signature)
    assert not verify_evidence.is_signed(public, message + b"x", signature)
    changed = bytearray(signature)
    changed[flip // 8] ^= 1 << flip % 8
    assert not verify_evidence.is_signed(public, message, bytes(changed))


def test_the_verifier_knows_the_test_vectors_of_rfc_8032() -> None:
    """RFC 8032 §7.1, tests 1 and 2."""
    key = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
    signature = bytes.fromhex(
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
        "d25bf5f0595bbe24655141438e7a100b"
    )
    assert verify_evidence.is_signed(key, b"", signature)
    key = bytes.fromhex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c")
    signature = bytes.fromhex(
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c"
        "387b2eaeb4302aeeb00d291612bb0c00"
    )
    assert verify_evidence.is_signed(key, b"\x72", signature)
    assert not verify_evidence.is_signed(b"short", b"", signature)
    assert not verify_evidence.is_signed(key, b"\x72", signature[:32] + b"\xff" * 32)
    assert not verify_evidence.is_signed(b"\xff" * 32, b"\x72", signature)


@given(st.lists(st.binary(min_size=32, max_size=32), max_size=20))
def test_the_verifier_builds_the_same_tree(leaves: list[bytes]) -> None:
    assert verify_evidence.merkle_root(leaves) == list_recipients(leaves).root


# --- Accounting of disclosures ------------------------------------------------------------------------------------


def hand_over(scene: Scene, **changes: Any) -> int:
    rows = Message.objects.filter(submission=scene.submission).order_by("pk")
    handed = [Handed(message=row.public_id, address_key=row.address_key, at=NOW, tls_version="1.3") for row in rows]
    facts: dict[str, Any] = {
        "owner": scene.owner, "approval": None, "purpose": "transactional", "legal_basis": "other",
        "categories": ["appointment"], "now": NOW,
    } | changes  # fmt: skip
    return disclosures.note_disclosures(handed, **facts)


@pytest.mark.django_db
def test_a_person_is_told_to_whom_their_data_went(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    scene = make_scene()
    assert hand_over(scene) == 3
    assert hand_over(scene) == 0
    monkeypatch.setattr("sys.stdin", io.StringIO("Person1@Example.org\n"))
    call_command("accounting_of_disclosures", scene.account.slug, "--json")
    out = capsys.readouterr().out
    (line,) = json.loads(out)
    assert line["message"] == str(Message.objects.order_by("pk")[1].public_id)
    assert (line["purpose"], line["legal_basis"], line["categories"]) == ("transactional", "other", ["appointment"])
    assert "example.org" not in out
    monkeypatch.setattr("sys.stdin", io.StringIO("nobody@example.org\n"))
    call_command("accounting_of_disclosures", scene.account.slug)
    assert capsys.readouterr().out == "0 disclosures.\n"
    assert AuditEvent.objects.filter(action="evidence.exported").count() == 2
    assert verify().is_sound


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("basis", "counts"),
    [("other", True), ("treatment", False), ("payment", False), ("operations", False), ("authorization", False),
     ("to-individual", False)],
)  # fmt: skip
def test_what_the_law_does_not_count_is_told_only_when_asked(basis: str, counts: bool) -> None:
    scene = make_scene(messages=1)
    hand_over(scene, legal_basis=basis)
    key = Message.objects.get().address_key
    assert len(disclosures.account_for(key, owner=scene.owner, now=NOW)) == counts
    assert len(disclosures.account_for(key, owner=scene.owner, now=NOW, with_uncounted=True)) == 1
    assert disclosures.account_for(key, owner="other", now=NOW, with_uncounted=True) == []
    assert disclosures.account_for(key, owner=scene.owner, now=NOW + timedelta(days=7 * 366), with_uncounted=True) == []


@pytest.mark.django_db
def test_a_batch_of_disclosures_is_one_event_with_a_digest_of_its_messages() -> None:
    scene = make_scene()
    hand_over(scene)
    event = AuditEvent.objects.get(action="phi.disclosed")
    ids = list(Disclosure.objects.values_list("message", flat=True))
    assert event.data == {"count": 3, "messages": disclosures.digest_of(ids)}


@pytest.mark.django_db
def test_an_address_that_is_none_is_refused_without_repeating_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("not an address\n"))
    with pytest.raises(CommandError) as caught:
        call_command("accounting_of_disclosures", make_account().slug)
    assert "not an address" not in str(caught.value)
    assert isinstance(caught.value.__cause__, CampaignError)


# --- The support bundle -------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_support_bundle_names_ids_states_and_codes_and_nobody(capsys: pytest.CaptureFixture[str]) -> None:
    scene = make_scene()
    Account.objects.filter(pk=scene.account.pk).update(name=CANARY)
    Message.objects.update(recipient=f"{CANARY}@example.org", recipient_domain=f"{CANARY}.example.org")
    scene.campaign.name = CANARY
    scene.campaign.save()
    scene.started()
    message = Message.objects.first()
    assert message is not None
    given = {
        "--message": message.public_id, "--submission": scene.submission.public_id, "--campaign": scene.campaign.public_id,
    }  # fmt: skip
    for option, public_id in given.items():
        call_command("support_bundle", scene.account.slug, option, str(public_id))
        out = capsys.readouterr().out
        assert CANARY not in out
        assert message.address_key not in out
        assert str(public_id) in out
        json.loads(out)
        with pytest.raises(CommandError, match="does not exist"):
            call_command("support_bundle", make_account().slug, option, str(public_id))
    assert Approval.objects.get().digest in out
    assert AuditEvent.objects.filter(action="support.bundled").count() == 3
