"""Settings as people tell them: by file, variables and flags; and what is said when they are wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from doorward.serve.configuration.load import load
from doorward.serve.configuration.tree import SettingsError
from doorward.serve.settings import ServeSettings


def told(
    folder: Path, text: str = "", environment: Mapping[str, str] | None = None, **flags: Any
) -> ServeSettings:
    file = folder / "doorward.yaml"
    file.write_text(text)
    given = {"--" + name.replace("_", "-"): value for name, value in flags.items()}
    return load(ServeSettings, file=file, environment=environment or {}, flags=given)


def problems(
    folder: Path, text: str, environment: Mapping[str, str] | None = None, **flags: Any
) -> list[str]:
    with pytest.raises(SettingsError) as error:
        told(folder, text, environment, **flags)
    assert str(error.value) == "\n".join(error.value.problems)
    return [problem.replace(f"{folder}/", "") for problem in error.value.problems]


def test_a_flag_counts_for_more_than_a_variable_and_that_for_more_than_the_file(tmp_path: Path) -> None:
    text = "policies: p\nmax_concurrent: 1\nmax_waiting: 1\nevaluation_ms: 1\n"
    environment = {"DOORWARD_MAX_WAITING": "2", "DOORWARD_EVALUATION_MS": "2"}
    settings = told(tmp_path, text, environment, evaluation_ms=3)
    assert (settings.max_concurrent, settings.max_waiting, settings.evaluation_ms) == (1, 2, 3)
    assert settings.evaluation_steps == 2_000_000


def test_variables_step_into_sections(tmp_path: Path) -> None:
    (tmp_path / "t").write_text("a long enough token")
    text = "policies: p\nlimits: {rate: 5, calls: 7}\ncallers:\n  Gateway: {token_file: t}\n"
    environment = {
        "DOORWARD_LIMITS__RATE": "100",
        "DOORWARD_CALLERS__GATEWAY__MAY": "decide, explain",
        "DOORWARD_LISTEN": "127.0.0.1:1 127.0.0.1:2",
        "DOORWARD_HTTP": "127.0.0.1:3",
    }
    settings = told(tmp_path, text, environment)
    assert (settings.limits.rate, settings.limits.calls) == (100, 7)
    assert settings.callers["Gateway"].may == {"decide", "explain"}
    assert settings.listen == ("127.0.0.1:1", "127.0.0.1:2")
    assert settings.http.listen == ("127.0.0.1:3",)


def test_variables_of_others_are_let_be(tmp_path: Path) -> None:
    environment = {
        "DOORWARD_GATEWAY_NODE": "n",
        "DOORWARD_GATEWAY_ENGINE__TARGET": "t",
        "DOORWARD_SIGNING_KEY": "another command's",
        # what Kubernetes tells of a service by the name of doorward
        "DOORWARD_SERVICE_HOST": "10.0.0.1",
        "DOORWARD_SERVICE_PORT_GRPC": "8181",
        "DOORWARD_PORT": "tcp://10.0.0.1:8181",
        "DOORWARD_PORT_8181_TCP_ADDR": "10.0.0.1",
    }
    assert told(tmp_path, "policies: p", environment) == told(tmp_path, "policies: p")


def test_paths_are_from_the_folder_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "c.json").write_text("{}")
    settings = told(tmp_path, "policies: mine\ncapabilities: c.json\nstate: kept\n")
    assert settings.policies.source == str(tmp_path / "mine")
    assert settings.capabilities == tmp_path / "c.json"
    assert settings.state == tmp_path / "kept"


def test_a_source_told_in_another_place_keeps_what_else_is_said_of_policies(tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_text("a key")
    text = "policies:\n  source: a\n  signatures: {keys: [{file: key.pem}]}\n"
    settings = load(
        ServeSettings, file=_file(tmp_path, text), environment={}, flags={"policies": str(tmp_path / "b")}
    )
    assert settings.policies.source == str(tmp_path / "b")
    assert settings.policies.signatures is not None


def _file(folder: Path, text: str) -> Path:
    file = folder / "doorward.yaml"
    file.write_text(text)
    return file


TOKEN = "token_sha256: " + "0a" * 32

WRONG = [
    ("policies: p\nlisen: a", "doorward.yaml:2: `lisen` is not a known key: did you mean `listen`?"),
    ("policies: p\nzzz: a", "doorward.yaml:2: `zzz` is not a known key"),
    (
        "policies: p\nlimits:\n  rte: 3",
        "doorward.yaml:3: `limits.rte` is not a known key: did you mean `rate`?",
    ),
    ("policies: p\nmax_concurrent: many", "doorward.yaml:2: `max_concurrent` must be an integer"),
    (
        "policies: p\nmax_concurrent: 0",
        "doorward.yaml:2: `max_concurrent` must be greater than or equal to 1",
    ),
    ("policies: p\nlimits: [1]", "doorward.yaml:2: `limits` must be a section of keys and values"),
    ("policies: p\nlisten: {a: b}", "doorward.yaml:2: `listen` must be a list"),
    ("policies: p\nlisten: []", "doorward.yaml:2: `listen` must not be empty"),
    ("policies: p\npolicies: q", "doorward.yaml:2: `policies` stands here twice"),
    ("policies: [", "doorward.yaml:1:12: is not YAML: expected the node content, but found '<stream end>'"),
    ("- policies", "doorward.yaml:1: must be a section of keys and values"),
    ("max_concurrent: 1", "doorward.yaml: `policies` is required"),
    ("policies: p\ntls_cert: none.pem", "doorward.yaml:2: `tls_cert` there is no file `none.pem`"),
    (
        "policies: p\nlisten: [somewhere]",
        "doorward.yaml:2: `listen[0]` must be `host:port`, such as `127.0.0.1:8181` or `[::1]:8181`, or `unix:/path`",
    ),
    (
        "policies: p\ncallers: {a: {may: [decid]}}",
        "doorward.yaml:2: `callers.a.may[0]` must be 'decide', 'explain', 'query', 'describe', 'revision' or 'metrics'",
    ),
    (
        "policies: p\ncallers: {a: {}}",
        "doorward.yaml:2: `callers.a` cannot be known: give it `token_file`, `token_sha256` or `certificate`",
    ),
    (
        f"policies: p\ncallers: {{a: {{{TOKEN}, may: query, resources: [{{kind: x}}]}}}}",
        "doorward.yaml:2: `callers.a` may `query`, which `resources` cannot bound: leave one of them out",
    ),
    (
        "policies: p\ncallers: {a: {token_sha256: abc}}",
        "doorward.yaml:2: `callers.a.token_sha256[0]` must be the SHA-256 of a token: 64 hexadecimal digits",
    ),
    (
        "policies: p\ncallers: {a: {certificate: x}}",
        "doorward.yaml: caller `a` shows a certificate, which needs `tls_client_ca`",
    ),
    (
        "policies: p\nlisten: 0.0.0.0:8181",
        "doorward.yaml: `0.0.0.0:8181` would answer anybody who can reach it: name `callers`, or `tls_client_ca`, or say "
        "`allow_anonymous: true`",
    ),
    (
        f"policies: p\nhttp: 10.0.0.1:80\ncallers: {{a: {{{TOKEN}}}}}",
        "doorward.yaml: tokens would come to `10.0.0.1:80` in the clear: give `tls_cert` and `tls_key`, or say "
        "`allow_plaintext: true` where something before it does TLS",
    ),
    (
        'policies: p\nworkers: 2\nlisten: "unix:/a"',
        "doorward.yaml: `unix:/a` cannot be shared: a socket file takes `workers: 1`",
    ),
    ("a: &a [*a]", "doorward.yaml:1: is too large or nested too deeply"),
]


@pytest.mark.parametrize(("text", "said"), WRONG, ids=[said[:60] for _, said in WRONG])
def test_what_is_wrong_is_said_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    assert problems(tmp_path, text) == [said]


def test_all_that_is_wrong_is_said_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    said = problems(
        tmp_path,
        "policies: p\nlimits: {calls: x}\nlisen: a\nworkers: 0\n",
        {"DOORWARD_MAX_WAITING": "x"},
        evaluation_ms=0,
    )
    assert [problem.partition(": ")[0] for problem in said] == [
        "--evaluation-ms",
        "DOORWARD_MAX_WAITING",
        "doorward.yaml:2",
        "doorward.yaml:3",
        "doorward.yaml:4",
    ]


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        (
            "DOORWARD_LISTN",
            "a",
            "DOORWARD_LISTN: there is no setting `listn`: did you mean `DOORWARD_LISTEN`?",
        ),
        (
            "DOORWARD_LIMITS__RTE",
            "1",
            "DOORWARD_LIMITS__RTE: `limits.rte` is not a known key: did you mean `rate`?",
        ),
        (
            "DOORWARD_LIMIT__RATE",
            "1",
            "DOORWARD_LIMIT__RATE: there is no setting `limit`: did you mean `DOORWARD_LIMITS`?",
        ),
        (
            "DOORWARD_LIMITS__",
            "1",
            "DOORWARD_LIMITS__: does not name a setting: write two underscores between its parts",
        ),
        ("DOORWARD_STRICT__X", "1", "DOORWARD_STRICT__X: `strict` is not a section"),
        ("DOORWARD_WORKERS", "[", "DOORWARD_WORKERS: is not a YAML value"),
        ("DOORWARD_WORKERS", "two", "DOORWARD_WORKERS: `workers` must be an integer"),
    ],
)
def test_what_is_wrong_with_a_variable(tmp_path: Path, name: str, value: str, said: str) -> None:
    assert problems(tmp_path, "policies: p\nstrict: true", {name: value}) == [said]


def test_no_message_shows_a_value(tmp_path: Path) -> None:
    secret = "hunter2hunter2hunter2"
    said = problems(
        tmp_path,
        f"policies: p\ncallers: {{a: {{token_sha256: {secret}}}}}\nworkers: {secret}\nlimits: {secret}\n",
    )
    assert len(said) == 3
    assert secret not in "".join(said)


def serve(*args: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "doorward", "serve", *args],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={"PATH": "/usr/bin", **environment},
    )


def test_the_command_only_checks_where_it_is_told_to(tmp_path: Path) -> None:
    file = _file(tmp_path, f"policies: p\ncallers: {{gateway: {{{TOKEN}}}}}\nlimits: {{rate: 5}}\n")
    ran = serve(
        "--config", str(file), "--check", "--json", "--set", "limits.calls=9", DOORWARD_MAX_WAITING="3"
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    shown = json.loads(ran.stdout)
    assert shown["limits"] == {"rate": 5.0, "calls": 9, "streams_per_connection": 1000}
    assert (shown["max_waiting"], shown["policies"]["source"]) == (3, str(tmp_path / "p"))
    assert "0a" * 32 not in ran.stdout
    # what is shown can be told again, but for the digest that is not, and what only other sources know
    again = {**shown, "callers": {}, "policies": shown["policies"]["source"]}
    assert serve("--config", str(_file(tmp_path, json.dumps(again))), "--check", "--json").returncode == 0


def test_the_command_says_what_is_wrong(tmp_path: Path) -> None:
    file = _file(tmp_path, "policies: p\nlisen: a\nworkers: x\n")
    ran = serve("--config", str(file), "--check", "--set", "limits.x=1")
    assert (ran.returncode, ran.stdout) == (2, "")
    lines = ran.stderr.splitlines()
    assert len(lines) == 3
    assert lines[0].startswith("doorward: ")
    ran = serve("--config", str(file), "--check", "--json")
    assert ran.returncode == 2
    assert len(json.loads(ran.stdout)["problems"]) == 2
    assert serve("--config", str(tmp_path / "none.yaml")).stderr.endswith(
        "cannot be read: no such file or directory\n"
    )
