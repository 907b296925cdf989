"""The language server, driven by a real client over standard input and output."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from lsprotocol import types
from pygls.exceptions import JsonRpcException

from .conftest import Editor

PEOPLE = """\
# METADATA
# title: Who people are
package acme.people

import rego.v1

# METADATA
# title: The analysts
# description: Those who read the warehouse.
analyst(groups) if "analysts" in groups

contractor := {"id": "eve", "groups": ["contractors"]}

limit := 100
"""
CUSTOMERS = """\
package acme.customers

governs postgres

import data.acme.people
import data.acme.people.limit as most

reader if people.analyst(principal.groups)

names contains name if {
	some name in sql.tables
	count(name) < most
}

allow "analysts read" if {
	reader
	sql.read_only
}

mask customers.ssn with partial(4) unless "compliance" in principal.groups
"""
TESTS = """\
package acme.customers_test

import data.acme.people

given schema := `create table customers (id int, ssn text);`

test "contractors do not read" {
	given principal := people.contractor
	when postgres `select id from customers`
	expect block
}

test "analysts read" {
	given principal.groups := ["analysts"]
	when postgres `select id from customers`
	expect block
}

test_limit if people.limit == 100
"""


FILES = {"people.rego": PEOPLE, "customers.ward": CUSTOMERS, "customers_test.ward": TESTS}
DATA = json.dumps({"directory": {"suspended": ["mallory"]}})

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Editor]:
    """An editor of a small tree, one for all tests of this file."""
    editor = Editor(tmp_path_factory.mktemp("policies"))
    write(editor.root, {**FILES, "acme/data.json": DATA})
    await editor.start()
    for name in FILES:
        editor.open(name)
    yield editor
    assert await editor.stop() == 0


@pytest_asyncio.fixture(loop_scope="module")
async def acme(running: Editor) -> Editor:
    """The editor with all files as they were at first, and nothing wrong."""
    for name, text in FILES.items():
        if not running.is_open(name):
            running.open(name, text)
        running.change(name, text)
    for name in FILES:
        await running.clean(name)
    running.messages.clear()
    return running


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


def spot(editor: Editor, name: str, mark: str, offset: int = 0) -> dict[str, Any]:
    return {
        "text_document": types.TextDocumentIdentifier(editor.uri(name)),
        "position": editor.at(name, mark, offset),
    }


def shown(editor: Editor, place: types.Location) -> tuple[str, int, str]:
    """A place as its file's name, its line from 1, and the text there."""
    name = place.uri.rpartition("/")[2]
    text = editor.texts.get(name) or (editor.root / name).read_text()
    line = text.split("\n")[place.range.start.line]
    return name, place.range.start.line + 1, line[place.range.start.character : place.range.end.character]


async def completed(editor: Editor, name: str, mark: str, offset: int = 0) -> dict[str, types.CompletionItem]:
    """What is offered at a place, by label."""
    answer = await editor.wait(
        editor.client.text_document_completion_async(
            types.CompletionParams(**spot(editor, name, mark, offset))
        )
    )
    return {item.label: item for item in answer.items}


async def hovered(editor: Editor, name: str, mark: str, offset: int = 0) -> str:
    answer = await editor.wait(
        editor.client.text_document_hover_async(types.HoverParams(**spot(editor, name, mark, offset)))
    )
    return "" if answer is None else str(answer.contents.value)


# --- diagnostics --------------------------------------------------------------------------------------------------


async def test_diagnostics_come_and_go_as_one_types(acme: Editor) -> None:
    acme.replace("customers.ward", "sql.read_only", "sql.raed_only")
    (found,) = await acme.wrong("customers.ward")
    assert found.code == "ward_unknown_field"
    assert found.source == "doorward"
    assert found.severity == types.DiagnosticSeverity.Error
    assert found.message == "`sql` has no field `raed_only`\ndid you mean `read_only`?"
    start = acme.at("customers.ward", "raed_only")
    assert found.range == types.Range(start, types.Position(start.line, start.character + len("raed_only")))

    acme.replace("customers.ward", "raed_only", "read_only")
    await acme.clean("customers.ward")


async def test_a_change_of_one_file_is_told_of_another(acme: Editor) -> None:
    acme.replace("people.rego", "analyst(groups)", "analyst(groups, more)")
    found = await acme.wrong("customers.ward")
    (arity,) = [one for one in found if "arity" in one.message]
    assert arity.related_information is not None
    (note,) = arity.related_information
    assert shown(acme, note.location)[:2] == ("people.rego", 10)
    assert "is defined here" in note.message

    acme.change("people.rego", PEOPLE)
    await acme.clean("customers.ward")


async def test_columns_are_counted_in_utf_16(acme: Editor) -> None:
    text = CUSTOMERS + 'block "🦀🦀" if {\n\t"𝄞" in sql.tables; sql.nothing\n}\n'
    acme.change("customers.ward", text)
    (found,) = await acme.wrong("customers.ward")
    line = text.split("\n")[found.range.start.line].encode("utf-16-le")
    assert (
        line[2 * found.range.start.character : 2 * found.range.end.character].decode("utf-16-le") == "nothing"
    )
    assert "`sql.tables`" not in await hovered(acme, "customers.ward", '"𝄞" in sql.tables', 4)
    assert "array of string" in await hovered(acme, "customers.ward", '"𝄞" in sql.tables', 11)


async def test_a_file_that_does_not_parse_hides_nothing_else(acme: Editor) -> None:
    acme.replace("customers.ward", "sql.read_only", "sql.raed_only")
    await acme.wrong("customers.ward")
    acme.change("people.rego", PEOPLE + "\nlimit := := 3\n")
    (found,) = await acme.wrong("people.rego")
    assert found.code == "rego_parse_error"
    assert [one.code for one in await acme.wrong("customers.ward")] == ["ward_unknown_field"]


async def test_files_on_disk_that_are_not_open_are_part_of_it(acme: Editor) -> None:
    write(acme.root, {"more/broken.ward": "package more\n\ngoverns postgres\n\nallow if sql.tabels\n"})
    acme.client.workspace_did_change_watched_files(types.DidChangeWatchedFilesParams([]))
    uri = acme.uri("more/broken.ward")
    await acme.until(lambda: uri in acme.diagnostics and acme.diagnostics[uri].diagnostics)
    (acme.root / "more/broken.ward").unlink()
    acme.client.workspace_did_change_watched_files(types.DidChangeWatchedFilesParams([]))
    await acme.until(lambda: not acme.diagnostics[uri].diagnostics)


async def test_closing_a_file_takes_its_text_from_the_disk_again(acme: Editor) -> None:
    acme.replace("customers.ward", "sql.read_only", "sql.raed_only")
    await acme.wrong("customers.ward")
    acme.close("customers.ward")
    uri = acme.uri("customers.ward")
    await acme.until(lambda: not acme.diagnostics[uri].diagnostics)


async def test_what_is_wrong_with_data_and_with_tests_is_told(acme: Editor) -> None:
    acme.replace("customers_test.ward", "principal.groups", "principal.grups")
    (found,) = await acme.wrong("customers_test.ward")
    place = types.Location(acme.uri("customers_test.ward"), found.range)
    assert shown(acme, place) == ("customers_test.ward", 14, "grups")
    acme.replace("customers_test.ward", "grups", "groups")
    await acme.clean("customers_test.ward")

    (acme.root / "acme/data.json").write_text('{"directory": ')
    acme.client.workspace_did_change_watched_files(types.DidChangeWatchedFilesParams([]))
    uri = acme.uri("acme/data.json")
    await acme.until(lambda: uri in acme.diagnostics and acme.diagnostics[uri].diagnostics)
    assert acme.diagnostics[uri].diagnostics[0].code == "ward_data_error"
    (acme.root / "acme/data.json").write_text(DATA)
    acme.client.workspace_did_change_watched_files(types.DidChangeWatchedFilesParams([]))
    await acme.until(lambda: not acme.diagnostics[uri].diagnostics)


# --- completion ---------------------------------------------------------------------------------------------------


async def test_fields_of_the_request_complete_after_a_dot(acme: Editor) -> None:
    acme.replace("customers.ward", "sql.read_only\n", "sql.\n")
    await acme.wrong("customers.ward")
    items = await completed(acme, "customers.ward", "sql.\n", 4)
    assert items["tables"].kind == types.CompletionItemKind.Field
    assert items["tables"].detail == "array of string"
    assert "Relations read or written" in str(items["tables"].documentation)
    assert "count" not in items

    acme.replace("customers.ward", "sql.\n", "input.principal.gr\n")
    items = await completed(acme, "customers.ward", "principal.gr\n", len("principal.gr"))
    assert list(items) == ["groups"]
    assert items["groups"].text_edit is not None
    edit = items["groups"].text_edit
    assert isinstance(edit, types.TextEdit)
    assert edit.new_text == "groups"
    assert edit.range.end.character - edit.range.start.character == 2


@pytest.mark.parametrize(
    ("line", "offered", "not_offered"),
    [
        ("", ["allow", "block", "mask", "test", "import", "reader"], ["count", "sql"]),
        ("gov", ["governs"], ["allow"]),
        ("block if pe", ["people"], []),
        ("block if people.", ["analyst", "contractor", "limit"], ["count"]),
        ("block if data.acme.", ["people", "customers", "directory"], ["analyst"]),
        ("block if data.acme.directory.", ["suspended"], []),
        ("block if json.", ["patch", "unmarshal"], ["count", "tables"]),
        ("block if cou", ["count"], []),
        ("block if { some group in principal.groups; gro", ["group"], []),
        ("f(person) if per", ["person"], []),
        ("block if re", ["reader", "resource", "regex.match"], []),
        ("mask a.b with ", ["redact", "partial", "format_preserving"], ["count", "reader"]),
        ("mask content(", ["card_number", "secret_key"], ["redact"]),
        ("mask a.b ", ["with", "if", "unless"], ["ttl"]),
        ("credential ", ["ttl", "single_use", "as"], ["by"]),
        ('approve "x" ', ["by", "within"], ["ttl"]),
        ("governs ", ["postgres", "http", "ssh"], ["sql"]),
        ("import data.acme.", ["people", "customers"], []),
        ("import ", ["data", "input"], ["count"]),
        ('test "x" {\n\t', ["given", "when", "expect"], ["count"]),
        ('test "x" {\n\twhen ', ["postgres", "http"], ["count"]),
        ('test "x" {\n\twhen postgres connect\n\texpect ', ["block", "mask", "no"], ["count"]),
        ('test "x" {\n\tgiven principal.', ["groups", "id"], ["count"]),
        ("# all", [], ["allow"]),
        ('block "cou', [], ["count"]),
    ],
)
async def test_completion_goes_by_where_the_cursor_stands(
    acme: Editor, line: str, offered: list[str], not_offered: list[str]
) -> None:
    acme.change("customers.ward", f"{CUSTOMERS}\n{line}")
    items = (
        await completed(acme, "customers.ward", f"\n{line}", len(line) + 1)
        if line
        else await completed(acme, "customers.ward", CUSTOMERS, len(CUSTOMERS) + 1)
    )
    assert [label for label in offered if label not in items] == []
    assert [label for label in not_offered if label in items] == []


async def test_names_with_arguments_complete_with_blanks(acme: Editor) -> None:
    acme.change("customers.ward", CUSTOMERS + "\nblock if coun")
    item = (await completed(acme, "customers.ward", "block if coun", 13))["count"]
    assert item.insert_text_format == types.InsertTextFormat.Snippet
    assert isinstance(item.text_edit, types.TextEdit)
    assert item.text_edit.new_text == "count($0)"


# --- hover and signatures -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "mark", "offset", "said"),
    [
        ("customers.ward", "sql.read_only", 5, "sql.read_only: boolean"),
        ("customers.ward", "principal.groups", 12, "principal.groups: array of string"),
        ("customers.ward", "count(name)", 2, "=> number"),
        ("customers.ward", "people.analyst", 8, "The analysts"),
        ("customers.ward", "people.analyst", 8, "Those who read the warehouse."),
        ("customers.ward", "people.analyst", 8, "analyst(groups)"),
        ("customers.ward", "people.analyst", 1, "package acme.people"),
        ("customers.ward", "count(name)", 7, "name: string"),
        ("customers.ward", "reader if", 2, "boolean"),
        ("customers.ward", "mask customers", 1, "comes back with the target masked"),
        ("customers.ward", "partial", 1, "last n characters"),
        ("customers.ward", "allow", 1, "Permits the request"),
        ("customers.ward", "unless", 1, "exception"),
        ("customers.ward", "governs", 1, "kinds of request"),
        ("customers.ward", "< most", 3, "stands for `data.acme.people.limit`"),
        ("customers_test.ward", "given principal", 1, "What holds from here on"),
        ("customers_test.ward", "expect block", 1, "What is expected"),
        ("customers_test.ward", "people.contractor", 9, "contractor := "),
    ],
)
async def test_hover_says_what_a_name_is(acme: Editor, name: str, mark: str, offset: int, said: str) -> None:
    assert said in await hovered(acme, name, mark, offset)


async def test_nothing_is_said_of_white_space(acme: Editor) -> None:
    assert await hovered(acme, "customers.ward", "\n\ngoverns", 1) == ""


@pytest.mark.parametrize(
    ("line", "label", "active", "marked"),
    [
        ('block if startswith("a", ', "startswith(string, string) => boolean", 1, "string"),
        ("block if count(", None, 0, None),
        ("block if people.analyst(", "analyst(groups)", 0, "groups"),
        ("block if count([1, 2", None, 0, None),
    ],
)
async def test_signatures_show_the_argument_at_the_cursor(
    acme: Editor, line: str, label: str | None, active: int, marked: str | None
) -> None:
    acme.change("customers.ward", f"{CUSTOMERS}\n{line}")
    answer = await acme.wait(
        acme.client.text_document_signature_help_async(
            types.SignatureHelpParams(**spot(acme, "customers.ward", f"\n{line}", len(line) + 1))
        )
    )
    assert answer is not None
    assert answer.active_parameter == active
    (signature,) = answer.signatures
    if label is not None and marked is not None:
        assert signature.label == label
        start, end = signature.parameters[active].label
        assert signature.label[start:end] == marked


# --- definitions and references ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "mark", "offset", "places"),
    [
        ("customers.ward", "people.analyst", 8, [("people.rego", 10, "analyst")]),
        ("customers.ward", "people.analyst", 1, [("people.rego", 3, "package acme.people")]),
        ("customers.ward", "\treader\n", 3, [("customers.ward", 8, "reader")]),
        ("customers.ward", "count(name)", 7, [("customers.ward", 11, "name")]),
        ("customers.ward", "< most", 3, [("customers.ward", 6, "most")]),
        ("customers.ward", "as most", 4, [("people.rego", 14, "limit")]),
        ("customers.ward", "sql.read_only", 5, []),
        ("customers_test.ward", "people.limit", 8, [("people.rego", 14, "limit")]),
        ("customers_test.ward", "people.contractor", 9, [("people.rego", 12, "contractor")]),
    ],
)
async def test_definitions_are_found_across_files(
    acme: Editor, name: str, mark: str, offset: int, places: list[tuple[str, int, str]]
) -> None:
    answer = await acme.wait(
        acme.client.text_document_definition_async(types.DefinitionParams(**spot(acme, name, mark, offset)))
    )
    assert [shown(acme, place) for place in answer] == places


async def test_references_are_found_across_files(acme: Editor) -> None:
    params = types.ReferenceParams(
        **spot(acme, "people.rego", "limit :="), context=types.ReferenceContext(include_declaration=True)
    )
    answer = await acme.wait(acme.client.text_document_references_async(params))
    assert sorted(shown(acme, place) for place in answer) == [
        ("customers.ward", 6, "limit"),
        ("customers_test.ward", 19, "limit"),
        ("people.rego", 14, "limit"),
    ]
    params.context.include_declaration = False
    assert len(await acme.wait(acme.client.text_document_references_async(params))) == 2


async def test_a_variable_is_highlighted_in_its_rule_alone(acme: Editor) -> None:
    acme.change("customers.ward", CUSTOMERS + "\nother contains name if some name in sql.columns\n")
    await acme.clean("customers.ward")
    answer = await acme.wait(
        acme.client.text_document_document_highlight_async(
            types.DocumentHighlightParams(**spot(acme, "customers.ward", "contains name", 10))
        )
    )
    assert [one.range.start.line + 1 for one in answer] == [10, 11, 12]


# --- renaming -----------------------------------------------------------------------------------------------------


async def renamed(editor: Editor, name: str, mark: str, offset: int, new: str) -> None:
    """Rename, and carry the edits out."""
    params = types.RenameParams(**spot(editor, name, mark, offset), new_name=new)
    edit = await editor.wait(editor.client.text_document_rename_async(params))
    for change in edit.document_changes:
        file = change.text_document.uri.rpartition("/")[2]
        text = editor.texts[file]
        lines = text.split("\n")
        for one in sorted(
            change.edits, key=lambda e: (e.range.start.line, e.range.start.character), reverse=True
        ):
            line = lines[one.range.start.line]
            start, end = one.range.start.character, one.range.end.character
            lines[one.range.start.line] = line[:start] + one.new_text + line[end:]
        editor.change(file, "\n".join(lines))


async def test_a_rule_is_renamed_in_all_files(acme: Editor) -> None:
    await renamed(acme, "customers.ward", "people.analyst", 8, "reads_warehouse")
    assert "people.reads_warehouse(principal.groups)" in acme.texts["customers.ward"]
    assert "reads_warehouse(groups) if" in acme.texts["people.rego"]
    for name in FILES:
        await acme.clean(name)

    await renamed(acme, "people.rego", "limit :=", 0, "bound")
    assert "import data.acme.people.bound as most" in acme.texts["customers.ward"]
    assert "test_limit if people.bound == 100" in acme.texts["customers_test.ward"]
    for name in FILES:
        await acme.clean(name)


async def test_variables_and_aliases_are_renamed_where_they_hold(acme: Editor) -> None:
    await renamed(acme, "customers.ward", "some name", 5, "table")
    await renamed(acme, "customers.ward", "as most", 3, "longest")
    assert (
        "names contains table if {\n\tsome table in sql.tables\n\tcount(table) < longest"
        in acme.texts["customers.ward"]
    )
    assert acme.texts["people.rego"] == PEOPLE
    await acme.clean("customers.ward")


@pytest.mark.parametrize(
    ("name", "mark", "offset", "new", "why"),
    [
        ("customers.ward", "sql.read_only", 5, "x", "not the policies' own"),
        ("customers.ward", "count(name)", 1, "x", "built-in function"),
        ("customers.ward", "people.analyst", 1, "x", "no rule"),
        ("customers.ward", "\treader\n", 2, "if", "meaning of its own"),
        ("customers.ward", "\treader\n", 2, "two words", "is not a name"),
        ("customers.ward", "\treader\n", 2, "names", "already"),
        ("customers.ward", "some name", 6, "sql", "something else"),
        ("customers.ward", "\treader\n", 2, "sql", "something else"),
        ("customers.ward", "as most", 4, "people", "something else"),
        ("customers.ward", "\treader\n", 2, "deny", "take part in decisions"),
        ("customers_test.ward", "test_limit", 2, "limits", "are tests"),
    ],
)
async def test_what_cannot_be_renamed_soundly_is_refused(
    acme: Editor, name: str, mark: str, offset: int, new: str, why: str
) -> None:
    params = types.RenameParams(**spot(acme, name, mark, offset), new_name=new)
    with pytest.raises(JsonRpcException, match=why):
        await acme.wait(acme.client.text_document_rename_async(params))


async def test_a_rule_that_decides_by_its_name_keeps_it(acme: Editor) -> None:
    header = "# METADATA\n# scope: package\n# custom:\n#   governs: [postgres]\n"
    text = f"{header}package acme.old\n\ndeny contains 1 if input.sql.writes\n"
    acme.open("old.rego", text)
    await acme.clean("old.rego")
    params = types.RenameParams(**spot(acme, "old.rego", "deny"), new_name="refused")
    with pytest.raises(JsonRpcException, match="by its name"):
        await acme.wait(acme.client.text_document_rename_async(params))
    acme.close("old.rego")


async def test_a_rule_that_is_found_by_its_name_keeps_it(acme: Editor) -> None:
    acme.change("customers.ward", CUSTOMERS + "\nall := [name | some name, _ in data.acme.people]\n")
    await acme.clean("customers.ward")
    params = types.RenameParams(**spot(acme, "people.rego", "limit :="), new_name="bound")
    with pytest.raises(JsonRpcException, match="read as a whole"):
        await acme.wait(acme.client.text_document_rename_async(params))


async def test_nothing_is_renamed_that_a_broken_file_may_use(acme: Editor) -> None:
    acme.change("customers_test.ward", TESTS + "\ntest_limit if if\n")
    await acme.wrong("customers_test.ward")
    with pytest.raises(JsonRpcException, match="does not parse"):
        await acme.wait(
            acme.client.text_document_prepare_rename_async(
                types.PrepareRenameParams(**spot(acme, "people.rego", "limit :="))
            )
        )


async def test_what_can_be_renamed_is_said_before(acme: Editor) -> None:
    where = await acme.wait(
        acme.client.text_document_prepare_rename_async(
            types.PrepareRenameParams(**spot(acme, "people.rego", "limit :=", 2))
        )
    )
    start = acme.at("people.rego", "limit :=")
    assert where == types.Range(start, types.Position(start.line, 5))


# --- symbols ------------------------------------------------------------------------------------------------------


async def test_the_parts_of_a_file_are_listed(acme: Editor) -> None:
    async def listed(name: str) -> list[str]:
        params = types.DocumentSymbolParams(types.TextDocumentIdentifier(acme.uri(name)))
        return [one.name for one in await acme.wait(acme.client.text_document_document_symbol_async(params))]

    assert await listed("customers.ward") == [
        "acme.customers",
        "reader",
        "names",
        "allow analysts read",
        "mask",
    ]
    assert await listed("people.rego") == ["acme.people", "analyst(groups)", "contractor", "limit"]
    assert 'test "analysts read"' in await listed("customers_test.ward")


async def test_symbols_are_found_by_some_of_their_letters(acme: Editor) -> None:
    found = await acme.wait(acme.client.workspace_symbol_async(types.WorkspaceSymbolParams("anlst")))
    assert [one.name for one in found] == ["allow analysts read", 'test "analysts read"', "analyst(groups)"]
    assert shown(acme, found[2].location) == ("people.rego", 10, "analyst")


async def test_blocks_and_comments_fold(acme: Editor) -> None:
    params = types.FoldingRangeParams(types.TextDocumentIdentifier(acme.uri("people.rego")))
    folds = await acme.wait(acme.client.text_document_folding_range_async(params))
    assert [(one.start_line, one.end_line) for one in folds] == [(0, 1), (6, 8)]


# --- changes ------------------------------------------------------------------------------------------------------


async def formatted(editor: Editor, name: str) -> list[types.TextEdit] | None:
    params = types.DocumentFormattingParams(
        types.TextDocumentIdentifier(editor.uri(name)), types.FormattingOptions(4, insert_spaces=True)
    )
    edits: list[types.TextEdit] | None = await editor.wait(
        editor.client.text_document_formatting_async(params)
    )
    return edits


async def test_a_file_is_formatted_as_fmt_does(acme: Editor) -> None:
    assert not await formatted(acme, "people.rego")
    acme.replace("people.rego", "limit := 100", "limit   :=    100")
    edits = await formatted(acme, "people.rego")
    assert edits is not None
    (edit,) = edits
    assert edit.new_text == PEOPLE
    assert edit.range.start == types.Position(0, 0)
    acme.change("people.rego", "package a\n\np :=\n")
    assert await formatted(acme, "people.rego") is None


async def test_a_suggestion_is_put_into_the_text(acme: Editor) -> None:
    acme.replace("customers.ward", "sql.read_only", "sql.raed_only")
    (found,) = await acme.wrong("customers.ward")
    params = types.CodeActionParams(
        types.TextDocumentIdentifier(acme.uri("customers.ward")),
        found.range,
        types.CodeActionContext([found]),
    )
    (action,) = await acme.wait(acme.client.text_document_code_action_async(params))
    assert action.title == "Change to `read_only`"
    assert list(action.diagnostics) == [found]
    (edit,) = action.edit.changes[acme.uri("customers.ward")]
    assert (edit.range, edit.new_text) == (found.range, "read_only")


# --- tests --------------------------------------------------------------------------------------------------------


async def lenses(editor: Editor, name: str) -> list[types.CodeLens]:
    params = types.CodeLensParams(types.TextDocumentIdentifier(editor.uri(name)))
    found: list[types.CodeLens] = await editor.wait(editor.client.text_document_code_lens_async(params))
    return found


async def pressed(editor: Editor, lens: types.CodeLens) -> dict[str, Any]:
    assert lens.command is not None
    params = types.ExecuteCommandParams(lens.command.command, lens.command.arguments)
    answer: dict[str, Any] = await editor.wait(editor.client.workspace_execute_command_async(params))
    return answer


async def test_tests_run_from_a_lens_above_them(acme: Editor) -> None:
    every, contractors, analysts, rule = await lenses(acme, "customers_test.ward")
    assert [one.range.start.line for one in (every, contractors, analysts, rule)] == [0, 6, 12, 18]

    assert (await pressed(acme, contractors))["passed"] == 1
    assert acme.messages[-1].message == "passed: acme.customers_test › contractors do not read"
    assert (await pressed(acme, rule))["passed"] == 1

    summary = await pressed(acme, every)
    assert (summary["passed"], summary["failed"]) == (2, 1)
    assert acme.messages[-1].type == types.MessageType.Error
    (failure,) = await acme.wrong("customers_test.ward")
    assert failure.source == "doorward test"
    assert failure.range.start.line == 15
    assert "analysts read" in failure.message

    acme.replace(
        "customers_test.ward",
        "customers`\n\texpect block\n}\n\ntest_",
        "customers`\n\texpect allow\n}\n\ntest_",
    )
    await acme.clean("customers_test.ward")
    assert (await pressed(acme, analysts))["passed"] == 1
    await acme.clean("customers_test.ward")


async def test_tests_run_on_the_texts_of_the_editor(acme: Editor) -> None:
    acme.replace("people.rego", "limit := 100", "limit := 7")
    summary = await pressed(acme, (await lenses(acme, "customers_test.ward"))[-1])
    assert summary["failed"] == 1
    acme.replace("people.rego", "limit := 7", "limit := := 7")
    assert "error" in await pressed(acme, (await lenses(acme, "customers_test.ward"))[-1])
    assert "cannot run" in acme.messages[-1].message
    acme.change("people.rego", PEOPLE)
    await pressed(acme, (await lenses(acme, "customers_test.ward"))[-1])
    await acme.clean("customers_test.ward")
