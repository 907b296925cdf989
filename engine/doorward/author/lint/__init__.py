"""`doorward check`: everything that is wrong or suspicious in a policy tree, as its settings would have it told."""

from __future__ import annotations

from doorward.author.lint.check import Checked, check
from doorward.author.lint.settings import LintSettings, Settings, SettingsError, find_settings, read_settings

__all__ = ["Checked", "LintSettings", "Settings", "SettingsError", "check", "find_settings", "read_settings"]
