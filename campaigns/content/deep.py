"""Parsers that recurse in native code, kept from taking the process down.

css-inline and MRML use the C stack once or more per nested element: on a web server's thread some hundred
nested elements end the process without an exception (evil input 14: the worker survives). So they run on a
thread with a large stack, and only on sources with fewer elements than that stack has room for.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from campaigns.content.problems import RenderError

_STACK = 64 * 1024 * 1024
# Counted wherever they stand, in comments and attributes too: no cleverness of a source makes it fewer.
_ELEMENT = re.compile(r"<(?!(?:br|img|hr|col|meta|link|input|wbr|area|source|track)\b)[a-z]", re.IGNORECASE)
_starting = threading.Lock()


def run_deep(parse: Callable[[str], str], source: str, *, most: int) -> str:
    """What `parse` makes of the source; raises RenderError for more than `most` elements, and what it raises."""
    if sum(1 for _ in _ELEMENT.finditer(source)) > most:
        raise RenderError(
            "content.too-many-elements",
            f"The HTML has more than {most} elements.",
            action="Split it into several mails, or close the elements that are open.",
        )
    # A thread of its own each time: a kept one would not survive the fork of a worker process.
    with ThreadPoolExecutor(1, thread_name_prefix="parse") as pool:
        # The size is a setting of the process: nobody else may start a parser in between.
        with _starting:
            before = threading.stack_size(_STACK)
            try:
                result = pool.submit(parse, source)
            finally:
                threading.stack_size(before)
        return result.result()
