"""HIPAA sends, from draft to start: content and purpose, sealed recipients, what must be answered, submission, start."""
