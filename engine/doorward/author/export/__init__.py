"""Policies as plain Rego that OPA decides the same by."""

from __future__ import annotations

from doorward.author.export.document import whole_document
from doorward.author.export.export import ExportError, export_rego

__all__ = ["ExportError", "export_rego", "whole_document"]
