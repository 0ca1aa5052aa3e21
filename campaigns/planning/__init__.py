"""Planning: a campaign from draft to a submission with messages."""
