"""Where the time of an evaluation goes: by line of policy, and by phase."""

from __future__ import annotations

from doorward.author.profile.lines import SORTS, Line, Profile, profiled
from doorward.author.profile.metrics import Metrics
from doorward.author.profile.text import render_metrics, render_profile

__all__ = ["SORTS", "Line", "Metrics", "Profile", "profiled", "render_metrics", "render_profile"]
