"""Template tags of our screens."""
