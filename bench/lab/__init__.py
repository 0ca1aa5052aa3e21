"""What the benches share: the machine's description, children that start together, installations, the newsletter, peers."""
