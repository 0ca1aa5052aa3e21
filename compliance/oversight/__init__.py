"""Watching over it: weekly reviews, emergency access, incidents, retention, support, and what checks itself."""
