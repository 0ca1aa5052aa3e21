"""Screens of protected mail: HIPAA sends, approvals, the stop, and what may be used."""
