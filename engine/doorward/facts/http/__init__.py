"""HTTP: what a request asks for, read the one way that every server behind us must read it too."""

from __future__ import annotations

from doorward.facts.http.analyse import analyse, read_request
from doorward.facts.http.model import HttpFacts, HttpRequest

__all__ = ["HttpFacts", "HttpRequest", "analyse", "read_request"]
