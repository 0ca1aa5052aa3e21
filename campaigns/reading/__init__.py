"""Mails as web pages: the personal view behind a link in a mail, and the public archive of an account's campaigns."""
