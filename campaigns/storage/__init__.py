"""Copies of mails that left: active storage for looking into trouble, and an archive for the long term.

A copy is sealed under a key of its last day, so nothing of it can be read after that, wherever it lies.
"""
