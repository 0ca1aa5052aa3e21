"""Transports: the ways out. They see values, never tables; the outbox alone decides about retry."""
