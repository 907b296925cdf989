"""Policies tried beside those in force: `observer` shows requests to a process of their own, `process` is that process."""
