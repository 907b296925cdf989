"""A policy repository to begin with: policies with their tests, hooks, and the files by which CI runs them."""

from __future__ import annotations

from doorward.author.new.scaffold import KINDS, NotEmpty, Scaffold, files_of, scaffold

__all__ = ["KINDS", "NotEmpty", "Scaffold", "files_of", "scaffold"]
