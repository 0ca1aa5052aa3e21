"""An import of any length takes the same memory (evil input 4)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.installation import Installation, installed

FEW, MANY = 20_000, 60_000
FLAT = 25  # MB; forty more of them in the second file would show at once
IMPORT = """
import re
from pathlib import Path
from campaigns.demo.scenery import build_scenery, import_readers
job = import_readers(build_scenery(), file=Path({file!r}))
# Not ru_maxrss: that one remembers the memory of the process we were forked from.
peak = re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]
print("PEAK", job.position, job.created, job.duplicates, int(peak) // 1024)
"""


def write_people(file: Path, *, rows: int) -> None:
    """Rows of 1 KB each, every third one a repeat."""
    with file.open("w", encoding="utf-8") as out:
        out.write("email,first_name,remarks\n")
        for number in range(rows):
            person = number - 1 if number % 3 == 2 else number
            out.write(f"reader{person}@example.org,Reader {person},{'remark ' * 140}\n")


def import_people(installation: Installation, file: Path, *, rows: int) -> int:
    """Import so many rows in a process of its own and return the most memory it ever held, in MB."""
    write_people(file, rows=rows)
    printed = installation.python(IMPORT.format(file=str(file)))
    _, position, created, duplicates, peak = next(line for line in printed.splitlines() if "PEAK" in line).split()
    assert (int(position), int(created), int(duplicates)) == (rows, rows - rows // 3, rows // 3)
    return int(peak)


@pytest.mark.timeout(600)  # 80 MB of contacts
def test_a_file_three_times_as_long_takes_no_more_memory(tmp_path: Path) -> None:
    with installed(tmp_path) as installation:
        few = import_people(installation, tmp_path / "few.csv", rows=FEW)
        many = import_people(installation, tmp_path / "many.csv", rows=MANY)
    assert many < few + FLAT
    assert many < 300
