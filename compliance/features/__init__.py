"""What may be used with protected health information, and what may not: everything that is not listed is excluded.

    capabilities   what the product can do, eligible or not, with the reason, the clause and the way out
    screens, urls, jobs, commands, fields   which capability each of them belongs to

A screen, job, command or field that names no capability counts as ineligible, and a test fails until it names one.
"""

from compliance.features import commands, fields, jobs, screens, urls
from compliance.features.eligibility import Kind, check_eligible, find_capability, list_eligibility

__all__ = [
    "Kind", "check_eligible", "commands", "fields", "find_capability", "jobs", "list_eligibility", "screens", "urls",
]  # fmt: skip
