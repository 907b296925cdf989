"""How the server starts, ends, and survives."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from lsprotocol import types
from pygls.exceptions import JsonRpcException

from .conftest import Editor


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


async def test_a_client_may_count_in_bytes_and_fill_in_no_blanks(editor: Editor) -> None:
    write(editor.root, {"a.ward": 'package a\n\ngoverns postgres\n\nblock "é𝄞" if sql.nothing\n'})
    await editor.start(encodings=["utf-8"], snippets=False)
    assert editor.capabilities is not None
    assert editor.capabilities.position_encoding == "utf-8"
    editor.open("a.ward")
    (found,) = await editor.wrong("a.ward")
    line = editor.texts["a.ward"].split("\n")[4].encode()
    assert line[found.range.start.character : found.range.end.character] == b"nothing"
    place = types.Position(4, len('block "é𝄞" if'.encode()) + 1)
    document = types.TextDocumentIdentifier(editor.uri("a.ward"))
    answer = await editor.wait(
        editor.client.text_document_completion_async(types.CompletionParams(document, place))
    )
    (count,) = [item for item in answer.items if item.label == "count"]
    assert count.text_edit.new_text == "count"
    assert not [item for item in answer.items if item.insert_text_format == types.InsertTextFormat.Snippet]


async def test_a_file_outside_of_the_policies_is_a_tree_by_itself(editor: Editor) -> None:
    write(
        editor.root,
        {
            "policies/a.ward": "package a\n\nallow := 3\n",
            "elsewhere.rego": "package a\n\nallow := x if x := 4\n\ny := z\n",
        },
    )
    await editor.start()
    editor.open("elsewhere.rego")
    (found,) = await editor.wrong("elsewhere.rego")
    assert found.code == "rego_unsafe_var_error"
    editor.close("elsewhere.rego")
    uri = editor.uri("elsewhere.rego")
    await editor.until(lambda: not editor.diagnostics[uri].diagnostics)


async def test_an_option_names_the_roots(editor: Editor) -> None:
    write(
        editor.root,
        {"one/a.rego": "package a\n\np := data.b.q(1)\n", "two/b.rego": "package b\n\nq(x) := x\n"},
    )
    await editor.start(options={"roots": ["one", "two"]})
    editor.open("one/a.rego")
    (found,) = await editor.wrong("one/a.rego")
    assert "undefined function" in found.message


# --- the end --------------------------------------------------------------------------------------------------------


async def test_an_end_that_was_not_asked_for_is_an_error(editor: Editor) -> None:
    await editor.start()
    editor.client.exit(None)
    assert await ended(editor) == 1


async def test_a_client_that_goes_away_takes_the_server_along(editor: Editor) -> None:
    write(editor.root, {"a.rego": "package a\n"})
    await editor.start()
    server = editor.client._server
    assert server is not None
    assert server.stdin is not None
    server.stdin.close()
    assert await ended(editor) == 1


async def ended(editor: Editor) -> int:
    """Wait for the server's end; its exit code. It has said nothing."""
    server = editor.client._server
    assert server is not None
    assert server.stderr is not None
    said = await editor.wait(server.stderr.read())
    assert said == b""
    code: int = await editor.wait(server.wait())
    await editor.wait(editor.client.stop())
    return code


async def test_one_client_is_served_over_tcp(editor: Editor) -> None:
    write(editor.root, {"a.rego": "package a\n\np := q\n"})
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    server = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "doorward",
        "lsp",
        "--tcp",
        str(port),
        "--verbose",
        stderr=asyncio.subprocess.PIPE,
    )
    assert server.stderr is not None
    while b"Serving on" not in await editor.wait(server.stderr.readline()):
        pass
    await editor.client.start_tcp("127.0.0.1", port)
    await editor.initialize()
    editor.open("a.rego")
    assert [one.code for one in await editor.wrong("a.rego")] == ["rego_unsafe_var_error"]
    await editor.wait(editor.client.shutdown_async(None))
    editor.client.exit(None)
    await editor.wait(server.stderr.read())
    assert await editor.wait(server.wait()) == 0
    await editor.wait(editor.client.stop())


# --- whatever comes -----------------------------------------------------------------------------------------------------

HOSTILE = {
    "deep": "package a\n\np := " + "[" * 100_000,
    "deeper": "package a\n\np := " + "f(" * 5000 + ")" * 5000,
    "long": "package a\n\np := " + " + ".join(["1"] * 20_000),
    "quotes": 'package a\n\np := "' * 1000,
    "templates": 'package a\n\np := $"{' * 1000,
    "nothing": "",
    "controls": "\0\x0b\x0c\u2028\u2029\x85\ufeff" * 100,
    "metadata": "# METADATA\n# title: [[[[\n# a: &a [*a]\npackage a\n",
    "lines": "package a\r\rp := q\r\n\x0b\u2028x",
}


async def test_hostile_texts_get_answers(editor: Editor) -> None:
    write(editor.root, {"a.ward": "package a\n"})
    await editor.start()
    editor.open("a.ward")
    document = types.TextDocumentIdentifier(editor.uri("a.ward"))
    places = [
        types.Position(0, 0),
        types.Position(2, 12),
        types.Position(2, 9999),
        types.Position(99999, 99999),
    ]
    for text in HOSTILE.values():
        editor.change("a.ward", text)
        await editor.told("a.ward")
        for place in places:
            spot = {"text_document": document, "position": place}
            await editor.wait(editor.client.text_document_completion_async(types.CompletionParams(**spot)))
            await editor.wait(editor.client.text_document_hover_async(types.HoverParams(**spot)))
            await editor.wait(
                editor.client.text_document_signature_help_async(types.SignatureHelpParams(**spot))
            )
            await editor.wait(editor.client.text_document_definition_async(types.DefinitionParams(**spot)))
        await editor.wait(editor.client.text_document_code_lens_async(types.CodeLensParams(document)))
        await editor.wait(
            editor.client.text_document_formatting_async(
                types.DocumentFormattingParams(document, types.FormattingOptions(4, insert_spaces=True))
            )
        )
    editor.change("a.ward", "package a\n\np := 1\n")
    await editor.clean("a.ward")


async def test_messages_that_make_no_sense_do_no_harm(editor: Editor) -> None:
    write(editor.root, {"a.rego": "package a\n\np := q\n"})
    await editor.start()
    server = editor.client._server
    assert server is not None
    assert server.stdin is not None
    for body in (
        b"{",
        b'"x"',
        b"[]",
        b'{"jsonrpc": "2.0", "id": 7, "method": "doorward/nothing"}',
        b'{"jsonrpc": "2.0"}',
    ):
        server.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
    unknown = types.TextDocumentIdentifier("untitled:nowhere")
    at = types.Position(0, 0)
    assert await editor.wait(editor.client.text_document_hover_async(types.HoverParams(unknown, at))) is None
    editor.open("a.rego")
    await editor.wrong("a.rego")


async def test_a_request_can_be_taken_back(editor: Editor) -> None:
    write(editor.root, {f"p{n}/a.rego": f"package p{n}\n\np := data.p{n + 1}.p\n" for n in range(50)})
    await editor.start()
    editor.open("p0/a.rego")
    params = types.WorkspaceSymbolParams("p")
    asked = asyncio.ensure_future(editor.client.workspace_symbol_async(params))
    await asyncio.sleep(0)
    (number,) = [key for key, future in editor.client.protocol._request_futures.items() if not future.done()][
        -1:
    ]
    editor.client.protocol.notify(types.CANCEL_REQUEST, types.CancelParams(number))
    with pytest.raises(JsonRpcException, match="cancel"):
        await editor.wait(asked)
    assert await editor.wait(editor.client.workspace_symbol_async(params))


def test_a_missing_extra_is_named() -> None:
    hidden = "import sys; sys.modules['pygls'] = None; sys.argv = ['doorward', 'lsp']"
    script = f"{hidden}; from doorward.cli.main import main; main()"
    ran = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    assert ran.returncode == 3
    assert "pip install 'doorward[author]'" in ran.stderr
