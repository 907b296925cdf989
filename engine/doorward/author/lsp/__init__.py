"""The language server: policies in an editor. Needs the extra `author`.

`serve_stdio()` and `serve_tcp(port)` serve one client, and give back the exit code that the protocol asks for.
"""

from __future__ import annotations

from doorward.author.lsp.server import serve_stdio, serve_tcp

__all__ = ["serve_stdio", "serve_tcp"]
