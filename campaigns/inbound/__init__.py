"""Mail that comes to us."""
