"""Agreements under HIPAA, the terms that go with them, and the state of an account that follows from both."""
