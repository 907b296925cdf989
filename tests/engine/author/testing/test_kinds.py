"""What happens, said of every kind of request: the short text and the object become what a gateway would send."""

from __future__ import annotations

from typing import Any

import pytest

from doorward.author.testing import run_tests
from doorward.author.testing.operations import OperationError, operation_of
from doorward.bundle import policies_from

POLICY = 'package p\n\ngoverns *\n\nallow "all"\n\nmask $.user.email with hash if http.path == "/users"\n'

CASES = [
    ("http `GET /users/7?full=1&full=2`", 'http.method == "GET"; http.path == "/users/7"; http.query.full == ["1", "2"]'),
    (
        "http `POST /orders\n\tContent-Type: application/json\n\tX-Team: a\n\n\t{\"total\": 3}`",
        'http.body.total == 3; http.headers["x-team"] == "a"',
    ),
    ('http {"method": "PUT", "target": "/a%20b", "headers": {"X-A": "1"}}', 'http.path == "/a b"; http.headers["x-a"] == "1"'),
    ('http {"method": "POST", "target": "/", "body": {"a": [1]}}', 'http.body.a == [1]; http.content_type == "application/json"'),
    ("kubernetes `get pods/web-0 -n shop`", 'kubernetes.verb == "get"; kubernetes.name == "web-0"'),
    ("kubernetes `create pods/web-0/exec --namespace shop`", 'kubernetes.subresource == "exec"; kubernetes.verb == "create"'),
    ("kubernetes `list deployments.apps`", 'kubernetes.verb == "list"; kubernetes.group == "apps"; kubernetes.namespace == ""'),
    ("kubernetes `watch secrets -n a`", 'kubernetes.verb == "watch"'),
    ("kubernetes `deletecollection jobs.batch -n a`", 'kubernetes.verb == "deletecollection"; kubernetes.resource == "jobs"'),
    ("kubernetes `patch deployments.apps/web -n a`", 'kubernetes.verb == "patch"; kubernetes.name == "web"'),
    ("kubernetes `GET /healthz`", 'kubernetes.path == "/healthz"'),
    ("llm `big-1: what is\nthis?`", 'llm.model == "big-1"; llm.messages == [{"role": "user", "content": "what is\\nthis?"}]'),
    ('llm {"model": "m", "messages": [], "max_tokens": 7}', 'llm.model == "m"; llm.max_tokens == 7'),
    ('mcp `search {"q": "x", "n": 2}`', 'mcp.method == "tools/call"; mcp.tool == "search"; mcp.arguments.q == "x"'),
    ("mcp `search`", 'mcp.tool == "search"; mcp.arguments == {}'),
    ("mcp `resources/read file:///etc/passwd`", 'mcp.resource == "file:///etc/passwd"'),
    ('mcp `prompts/get hello {"a": 1}`', 'mcp.prompt == "hello"; mcp.arguments.a == 1'),
    ("mcp `tools/list`", 'mcp.method == "tools/list"'),
    ('mcp {"method": "tools/call", "params": {"name": "x"}}', 'mcp.tool == "x"'),
    ("ssh `systemctl restart web`", 'ssh.argv == ["systemctl", "restart", "web"]; action.name == "exec"'),
    ("ssh sftp `read /etc/passwd`", 'ssh.request == "sftp"; ssh.path == "/etc/passwd"; action.name == "sftp"'),
    ("ssh shell", 'ssh.request == "shell"'),
    ("postgres `select 1; select 2`", 'sql.multiple; action.name == "query"'),
    ('postgres {"statement": "select $1", "parameters": ["a"]}', 'postgres.parameters == ["a"]'),
    ("postgres connect", 'action.name == "connect"; sql.statements == []'),
]  # fmt: skip


@pytest.mark.parametrize(("when", "condition"), CASES, ids=[when[:40] for when, _ in CASES])
def test_facts(when: str, condition: str) -> None:
    test = (
        f'package p_test\n\ntest "it" {{\n\twhen {when}\n\texpect allow\n\texpect if {{ {condition} }}\n}}\n'
    )
    (result,) = run_tests(policies_from({"p.ward": POLICY, "p_test.ward": test})).results
    assert [(failure.message, failure.values) for failure in result.failures] == []


def test_masks_of_documents() -> None:
    test = """package p_test

test "it" {
	when http `GET /users`
	expect mask $.user.email with hash
	expect no mask $.user.name
	when http `GET /other`
	expect no mask
}
"""
    (result,) = run_tests(policies_from({"p.ward": POLICY, "p_test.ward": test})).results
    assert result.outcome == "passed", result.failures


@pytest.mark.parametrize(
    ("kind", "operation", "said"),
    [
        ("http", "users", "is no request: write `GET /path`"),
        ("http", "GET / \nnot a header", "is no header"),
        ("kubernetes", "gett pods", "the verbs are"),
        ("kubernetes", "get pods", "write `get pods/name`"),
        ("llm", "hello there", "write `model: what it is asked`"),
        ("mcp", "search {", "the arguments are not JSON"),
        ("mcp", "search [1]", "the arguments are not an object"),
        ("ssh", 5, "a text or an object"),
    ],
)
def test_what_says_nothing(kind: str, operation: Any, said: str) -> None:
    with pytest.raises(OperationError, match=said):
        operation_of(kind, "call", operation)
