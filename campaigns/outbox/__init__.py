"""The outbox: the life of a message, and the only owner of its state."""
