"""Every schedule there is: those of campaigns and those of compliance."""

from __future__ import annotations

from campaigns import tasks
from compliance import tasks as compliance_tasks

SCHEDULES = (*tasks.SCHEDULES, *compliance_tasks.SCHEDULES)
