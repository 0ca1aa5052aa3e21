"""Tables and readers of the peers: python -m bench.lab.peers.fill READERS."""

from __future__ import annotations

import sys

import django

django.setup()

from django.apps import apps  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import connection  # noqa: E402

from bench.lab import newsletter  # noqa: E402
from bench.lab.peers.models import Reader  # noqa: E402


def main(count: int) -> None:
    call_command("migrate", verbosity=0)
    if Reader._meta.db_table not in connection.introspection.table_names():
        with connection.schema_editor() as editor:
            editor.create_model(Reader)
    Reader.objects.all().delete()
    Reader.objects.bulk_create(
        (Reader(email=newsletter.email(number), values=newsletter.values(number)) for number in range(count)),
        batch_size=1000,
    )
    if apps.is_installed("post_office"):
        with connection.cursor() as cursor:
            for table in ("log", "attachment_emails", "email"):
                cursor.execute(f"DELETE FROM post_office_{table}")


if __name__ == "__main__":
    main(int(sys.argv[1]))
