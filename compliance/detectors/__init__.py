"""Detectors: do the parts of a mail that everybody gets name protected health information? A seat-belt, no proof.

What they say is "no obvious identifiers found", never "contains none".
"""
