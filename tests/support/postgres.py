"""A real PostgreSQL for tests: the same embedded server that the demo runs."""

from __future__ import annotations

from doorward_gateway.demo.embedded_postgres import PostgresServer, bin_dir, free_port

__all__ = ["PostgresServer", "bin_dir", "free_port"]
