"""Evidence of an approved send, in a file that others can verify without us."""
