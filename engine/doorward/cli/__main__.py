"""`python -m doorward.cli` is `doorward`."""

from __future__ import annotations

from doorward.cli.main import main

main()
