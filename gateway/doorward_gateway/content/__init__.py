"""What `content(…)` in a policy finds in any text: detectors, and masking what they find."""

from __future__ import annotations

from doorward_gateway.content.detectors import DETECTORS, Detector
from doorward_gateway.content.scanner import Scanner

__all__ = ["DETECTORS", "Detector", "Scanner"]
