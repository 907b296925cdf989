"""What a change of policies would change: logged requests, decided again under both."""

from __future__ import annotations

from doorward.author.diff.log import LogError, Logged, read_log
from doorward.author.diff.replay import replay
from doorward.author.diff.report import Group, Report
from doorward.author.diff.revisions import RevisionError, open_policies
from doorward.author.diff.text import render
from doorward.decide.differences import Difference

__all__ = [
    "Difference",
    "Group",
    "LogError",
    "Logged",
    "Report",
    "RevisionError",
    "open_policies",
    "read_log",
    "render",
    "replay",
]
