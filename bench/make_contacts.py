#!/usr/bin/env python
"""Write made-up contacts as a CRM would export them: bench/make_contacts.py ROWS FILE[.gz] [--seed N] [--clean].

All people are invented, all domains are reserved for examples. UTF-8 with BOM, CRLF, comma; with the mess of real
exports: broken addresses, repeats by case and blanks, quoted newlines, formulas, markup, header injection, IDN.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import io
import random
from collections.abc import Iterator
from pathlib import Path

HEADER = ["E-mail", "First Name", "Last Name", "Company", "City", "Language", "Tier", "Member Since", "Spent", "Opt-in",
          "Interests", "Remarks"]  # fmt: skip
PEOPLE = {
    "en": (["Ada", "Grace", "Niamh", "Owen", "Ruby"], ["Harbour", "O'Neill", "Fairweather", "Quill"], "Bristol"),
    "de": (["Jörg", "Änne", "Götz", "Käthe"], ["Weiß", "Müßig", "Krüger", "von der Höhe"], "Würzburg"),
    "fr": (["Anaïs", "Loïc", "Éloïse", "Hervé"], ["Lefèvre", "d'Aubigné", "Garçon"], "Besançon"),
    "es": (["Íñigo", "Begoña", "Álvaro"], ["Muñoz", "Peñalver", "Ibáñez"], "La Coruña"),
    "lt": (["Žydrūnas", "Eglė", "Šarūnas", "Jūratė"], ["Čepaitė", "Žukauskas", "Bružaitė"], "Klaipėda"),
    "pl": (["Łukasz", "Małgorzata", "Żaneta"], ["Wójcik", "Żółkiewska", "Dąbrowski"], "Łódź"),
    "tr": (["İpek", "Çağrı", "Şule"], ["Yıldız", "Gökçe", "Öztürk"], "İzmir"),
    "uk": (["Оксана", "Ґжегож", "Їлія"], ["Щербак", "Наливайко"], "Львів"),
    "el": (["Ελένη", "Γιώργος"], ["Παπαδάκης", "Σταύρου"], "Πάτρα"),
    "ja": (["さくら", "健太"], ["港", "本田"], "横浜"),
    "zh": (["美玲", "志强"], ["书", "海"], "厦门"),
    "ar": (["ليلى", "سامي"], ["البحري", "الكاتب"], "صور"),
}
DOMAINS = ["example.com", "example.org", "example.net", "mail.example.com", "letters.example", "bücher.example"]
COMPANIES = ["", "Quay & Sons", "Ink, Paper and Thread", 'The "Blue" Door', "Żagle S.A.", "海図書店"]
REMARKS = ["", "", "", "", "", "Met at the fair,\ntold us about \"Moby Dick\"", "=1+1", "+44 20 7946 0000", "-2+3", "@home",
           "<b>VIP</b>", "{{ 7 | times: 7 }}", "Prefers post; not mail", "50 % off\u2028only"]  # fmt: skip
BROKEN = ["{0}@", "@{1}", "{0}{1}", "{0}@@{1}", "{0}@{1}.", "{0} at {1}", "{0}..x@{1}", "{0}@ {1}", "{0}@{1}\u200b", "",
          "{0}@localhost", "{0}@[192.0.2.7]"]  # fmt: skip


def make_rows(count: int, *, seed: int = 7, clean: bool = False) -> Iterator[list[str]]:
    """Count rows in the order of HEADER; the same seed gives the same rows."""
    # Nothing here is a secret: the point is that the rows are the same every time.
    chance = random.Random(seed)
    recent: list[str] = []
    for number in range(count):
        language = chance.choice(list(PEOPLE))
        given, family, city = PEOPLE[language]
        first, last = chance.choice(given), chance.choice(family)
        email = f"reader{number}.{language}@{chance.choice(DOMAINS)}"
        if not clean:
            email = _spoil(email, recent, chance)
            if chance.random() < 0.002:
                first = f"{first}\r\nBcc: everyone@example.net"
        recent = [*recent[-50:], email]
        yield [
            email, first, last, chance.choice(COMPANIES), city, language, chance.choice(["free", "friend", "patron"]),
            f"{chance.randint(2015, 2026)}-{chance.randint(1, 12):02d}-{chance.randint(1, 28):02d}",
            f"{chance.expovariate(0.01):.2f}", chance.choice(["yes", "yes", "yes", "no", ""]),
            "|".join(chance.sample(["sea", "poems", "maps", "crime", "tea"], chance.randint(0, 3))),
            chance.choice(REMARKS),
        ]  # fmt: skip


def _spoil(email: str, recent: list[str], chance: random.Random) -> str:
    draw = chance.random()
    if draw < 0.012:
        return chance.choice(BROKEN).format(*email.split("@"))
    if draw < 0.042 and recent:
        again = chance.choice(recent)
        return chance.choice([again.upper(), f" {again}", f"{again} ", again.capitalize()])
    return email


def write_contacts(path: Path, *, count: int, seed: int = 7, clean: bool = False) -> None:
    """Write the file; gzip when the name ends in .gz."""
    with path.open("wb") as raw:
        # No name and time inside: the same rows give the same file.
        binary = gzip.GzipFile("", "wb", fileobj=raw, mtime=0) if path.suffix == ".gz" else raw
        with binary, io.TextIOWrapper(binary, encoding="utf-8-sig", newline="") as text:
            writer = csv.writer(text)
            writer.writerow(HEADER)
            writer.writerows(make_rows(count, seed=seed, clean=clean))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", type=int)
    parser.add_argument("file", type=Path)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--clean", action="store_true", help="No broken or repeated addresses.")
    given = parser.parse_args()
    write_contacts(given.file, count=given.rows, seed=given.seed, clean=given.clean)
