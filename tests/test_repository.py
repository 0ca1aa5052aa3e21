"""What the repository promises about itself."""

from __future__ import annotations

import re
import subprocess
import tomllib
from collections.abc import Iterable
from pathlib import Path

import pytest
from django.core.management import get_commands

from campaigns.models import Role
from compliance.registry import BOOK

ROOT = Path(__file__).resolve().parent.parent
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]


def text_of(*paths: Path) -> str:
    return "\n".join(path.read_text("utf-8") for path in paths)


def python_in(folders: Iterable[str]) -> list[Path]:
    return [path for folder in folders for path in (ROOT / folder).rglob("*.py")]


def locked_by_pip() -> dict[tuple[str, str], set[str]]:
    text = (ROOT / "requirements.lock").read_text("utf-8").replace("\\\n", " ")
    pins = re.findall(r"^([\w.-]+)==(\S+)(.*)$", text, re.MULTILINE)
    return {(name, version): set(re.findall(r"--hash=(sha256:\w+)", rest)) for name, version, rest in pins}


def locked_by_uv() -> dict[tuple[str, str], set[str]]:
    packages = tomllib.loads((ROOT / "uv.lock").read_text("utf-8"))["package"]
    return {
        (package["name"], package["version"]): {
            file["hash"] for file in [*package.get("wheels", []), *([package["sdist"]] if "sdist" in package else [])]
        }
        for package in packages
    }


def test_both_lock_files_pin_the_same_versions_and_hashes() -> None:
    ours, theirs = locked_by_pip(), locked_by_uv()
    assert all(hashes for hashes in ours.values())
    assert {pin: theirs.get(pin) for pin in ours} == ours
    # uv.lock also holds what other Python versions and systems need.
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    groups = [project["project"]["dependencies"], *project["project"]["optional-dependencies"].values()]
    asked = [entry for group in [*groups, *project["dependency-groups"].values()] for entry in group]
    names = {re.split(r"[\[><=~! ]", entry)[0].lower() for entry in asked}
    assert names <= {name for name, _ in ours}


def test_every_dependency_says_what_it_is_for() -> None:
    text = (ROOT / "pyproject.toml").read_text("utf-8").partition("[tool.")[0]
    lines = [line for line in text.splitlines() if re.match(r'\s+"[a-z]', line)]
    assert len(lines) > 25
    assert [line for line in lines if "#" not in line] == []


def test_every_make_target_is_explained() -> None:
    text = (ROOT / "Makefile").read_text("utf-8")
    targets = re.findall(r"^([a-z-]+):(.*)$", text, re.MULTILINE)
    assert {"help", "demo", "run", "test", "check", "check-static", "bench", "clean"} <= {name for name, _ in targets}
    assert [name for name, rest in targets if "## " not in rest] == []


def test_the_benches_are_listed_with_what_they_measure() -> None:
    listed = subprocess.run(["make", "bench"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    rows = dict(line.split(maxsplit=1) for line in listed.splitlines() if not line.startswith("Installing"))
    assert set(rows) == {path.stem for path in (ROOT / "bench").glob("*.py") if not path.stem.startswith("make_")}
    assert all(sentence.endswith(".") for sentence in rows.values())


def test_every_command_and_target_our_pages_name_exists() -> None:
    text = text_of(*PAGES, ROOT / ".env.example", ROOT / "compose.yaml")
    targets = set(re.findall(r"^([a-z-]+):", text_of(ROOT / "Makefile"), re.MULTILINE))
    assert set(re.findall(r"`(?:[A-Z_]+=\S+ )*make ([a-z-]+)", text)) <= targets
    assert {"demo", "test"} <= set(re.findall(r"`make ([a-z]+)`", text_of(ROOT / "README.md")))
    named = set(re.findall(r"manage\.py ([a-z_]+)", text))
    assert {"worker", "migrate"} <= named
    assert named <= set(get_commands())


def test_every_system_check_our_pages_name_exists() -> None:
    named = set(re.findall(r"sealpost\.[EW]\d{3}", text_of(*PAGES, ROOT / ".env.example")))
    assert named
    assert named <= set(re.findall(r"sealpost\.[EW]\d{3}", text_of(*python_in(["config", "compliance"]))))


def test_every_command_of_ours_is_in_the_operations_page() -> None:
    ours = {name for name, app in get_commands().items() if app in {"campaigns", "compliance"}}
    page = text_of(ROOT / "docs/operations.md")
    assert [name for name in ours if f"`{name}" not in page and f"{name}`" not in page] == []


def test_every_rule_for_mail_is_written_down_and_held_by_a_test() -> None:
    code_name = re.compile(r"\b[A-Z]{2}-\d{2}\b")
    tests = text_of(*(path for path in python_in(["tests"]) if path != Path(__file__)))
    held = set(code_name.findall(tests))
    held |= {f"{area}-{number}".upper() for area, number in re.findall(r"_([a-z]{2})_(\d{2})(?=[_(])", tests)}
    written = set(code_name.findall(text_of(ROOT / "docs/standards.md")))
    assert len(written) > 40
    assert written == held
    assert set(code_name.findall(text_of(*python_in(["campaigns", "compliance", "config"])))) <= written


def test_every_rule_of_the_gate_is_in_the_architecture_page() -> None:
    page = text_of(ROOT / "docs/architecture.md")
    assert [rule_id for rule_id in BOOK.rules if f"`{rule_id}`" not in page] == []


def test_every_role_is_in_the_user_guide() -> None:
    page = text_of(ROOT / "docs/user-guide.md")
    assert [role.label for role in Role if role.label not in page] == []


@pytest.mark.parametrize("page", sorted(path.relative_to(ROOT).as_posix() for path in PAGES))
def test_links_between_our_pages_lead_somewhere(page: str) -> None:
    text = (ROOT / page).read_text("utf-8")
    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]
    assert [link for link in links if link and not ((ROOT / page).parent / link).exists()] == []
