"""What a configuration may say, and how it is told that it may not."""

from __future__ import annotations

from pathlib import Path

import pytest

from doorward_gateway.config import Config, HostPort, load
from doorward_gateway.errors import ConfigError

GOOD = """\
node: gateway-1
postgres:
  listen: 127.0.0.1:6432
  allow_plaintext: true
engine: {target: "127.0.0.1:8181", timeout: 1500ms}
state: {directory: state}
recording:
  directory: /var/record
  segment_size: 1MiB
identities:
  - {id: ada@acme.example, kind: human, groups: [analysts], token_file: ada.token}
resources:
  warehouse:
    kind: postgres
    environment: prod
    labels: {team: data}
    upstream:
      host: db
      database: app
      user: app
      password_env: APP_PASSWORD
      roles:
        readonly: {user: app_ro, password_env: APP_PASSWORD}
"""
ENVIRONMENT = {"APP_PASSWORD": "s3cret"}


@pytest.fixture
def write(tmp_path: Path):
    (tmp_path / "ada.token").write_text("ada-token\n")

    def write(text: str) -> Path:
        path = tmp_path / "gateway.yaml"
        path.write_text(text)
        return path

    return write


def problems(path: Path, environment: dict[str, str] = ENVIRONMENT) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(path, environment)
    return [problem.replace(str(path), "F") for problem in caught.value.problems]


def test_a_whole_configuration_is_read(write, tmp_path: Path) -> None:
    config = load(write(GOOD), ENVIRONMENT)
    assert config.postgres.listen == HostPort("127.0.0.1", 6432)
    assert config.engine.timeout == 1500
    assert config.recording.segment_size == 1 << 20
    assert config.state.directory == tmp_path / "state"
    assert config.recording.directory == Path("/var/record")
    assert config.identities[0].token.get_secret_value() == "ada-token"
    upstream = config.resources["warehouse"].upstream
    assert upstream.port == 5432
    assert upstream.password is not None
    assert upstream.password.get_secret_value() == "s3cret"
    assert upstream.roles["readonly"].user == "app_ro"


def test_no_secret_is_shown_or_dumped(write) -> None:
    config = load(write(GOOD), ENVIRONMENT)
    shown = repr(config) + config.model_dump_json()
    assert "s3cret" not in shown
    assert "ada-token" not in shown


def test_the_environment_overrides_the_file(write) -> None:
    environment = ENVIRONMENT | {
        "DOORWARD_GATEWAY_ENGINE__TARGET": "engine:1",
        "DOORWARD_GATEWAY_resources__WAREHOUSE__upstream__PORT": "6000",
        "DOORWARD_GATEWAY_LIMITS__SESSIONS": "7",
        "DOORWARD_GATEWAY_POSTGRES__LISTEN": "'[::1]:0'",
        "OTHER": "1",
    }
    config = load(write(GOOD), environment)
    assert config.engine.target == "engine:1"
    assert config.resources["warehouse"].upstream.port == 6000
    assert config.limits.sessions == 7
    assert config.postgres.listen == HostPort("::1", 0)


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (
            "database: app",
            "databse: app",
            "F:19: `resources.warehouse.upstream.databse` is not a known key; did you mean `database`?",
        ),
        ("state: {directory: state}\n", "", "F: `state` is required"),
        (
            "timeout: 1500ms",
            "timeout: 1500",
            "F:5: `engine.timeout` expected a duration such as `500ms`, `60s`, `15m`, `8h` or `7d`",
        ),
        (
            "1MiB",
            "1MB",
            "F:9: `recording.segment_size` expected a size in bytes, or such as `64KiB` or `64MiB`",
        ),
        (
            "127.0.0.1:6432",
            "localhost",
            "F:3: `postgres.listen` expected `host:port` such as `127.0.0.1:6432` or `[::1]:6432`",
        ),
        (
            "127.0.0.1:6432",
            "0.0.0.0:6432",
            "F:2: `postgres` `allow_plaintext` needs a loopback address: a credential would travel in the clear",
        ),
        (
            "  allow_plaintext: true\n",
            "",
            "F:2: `postgres` needs `tls`, or `allow_plaintext: true` on a loopback address",
        ),
        (
            "kind: human",
            "kind: robot",
            "F:11: `identities[0].kind` must be 'human', 'service', 'agent' or 'ci'",
        ),
        (
            "token_file: ada.token",
            "token: abc",
            "F:11: `identities[0]` holds a secret: put `token` in a file and name it by `token_file`",
        ),
        (
            ", token_file: ada.token",
            "",
            "F:11: `identities[0].token` is required: name it by `token_file` or `token_env`",
        ),
        (
            "      password_env: APP",
            "      password_env: NO",
            "F:17: `resources.warehouse.upstream` `password_env`: there is no environment variable `NO_PASSWORD`",
        ),
        ("node: gateway-1", "node: gateway-1\nnode: b", "F:2: `node` stands here twice"),
        ("labels: {team: data}", "labels: [team", "F:17:13: is not YAML: expected ',' or ']', but got ':'"),
        ("resources:", "resources: {}\nthings:", "F:12: `resources` must not be empty"),
        (
            "user: app\n",
            "user: app\n      password_file: ada.token\n",
            "F:17: `resources.warehouse.upstream` has both `password_file` and `password_env`",
        ),
        ("  warehouse:", "  'ware house':", "F:13: `resources.ware house"),
    ],
)
def test_a_problem_is_named_with_its_place(write, old: str, new: str, problem: str) -> None:
    assert old in GOOD
    found = problems(write(GOOD.replace(old, new, 1)))
    assert any(text.startswith(problem) for text in found), found


def test_all_problems_are_told_at_once(write) -> None:
    found = problems(write(GOOD.replace("1500ms", "soon").replace("kind: human", "kind: robot")))
    assert len(found) == 2


def test_a_bad_override_is_named_by_its_variable(write) -> None:
    path = write(GOOD)
    found = problems(path, ENVIRONMENT | {"DOORWARD_GATEWAY_ENGINE__TIMEOT": "1s"})
    assert found == [
        "DOORWARD_GATEWAY_ENGINE__TIMEOT: `engine.timeot` is not a known key; did you mean `timeout`?"
    ]
    assert "no section" not in problems(path, ENVIRONMENT | {"DOORWARD_GATEWAY_NODE__X": "1"})[0]
    assert problems(path, ENVIRONMENT | {"DOORWARD_GATEWAY__X": "1"})[0].startswith("DOORWARD_GATEWAY__X: ")


def test_values_of_secrets_are_never_in_a_message(write) -> None:
    path = write(GOOD.replace("password_env: APP_PASSWORD", "password: hunter2"))
    assert all("hunter2" not in problem for problem in problems(path))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "a: &a [*a]",
        "x: " + "[" * 5000,
        "a: &a [1,1,1,1,1,1,1,1,1,1]\n"
        + "".join(
            f"{chr(98 + n)}: &{chr(98 + n)} [{','.join(['*' + chr(97 + n)] * 10)}]\n" for n in range(8)
        ),
        "? [a, b]\n: c",
        "a: !!python/object:os.system x",
        "a: 2026-99-99",
        "\x00",
    ],
)
def test_hostile_yaml_is_refused(write, text: str) -> None:
    assert problems(write(text))


def test_two_identities_cannot_share_a_token(write) -> None:
    twice = "  - {id: eve, kind: human, token_file: ada.token}\nresources:"
    assert "same token" in problems(write(GOOD.replace("resources:", twice, 1)))[0]


def test_a_missing_file_is_a_problem(tmp_path: Path) -> None:
    assert "cannot be read" in problems(tmp_path / "none.yaml")[0]


def test_the_example_in_the_documentation_is_a_configuration(tmp_path: Path) -> None:
    from doorward_gateway.config import model

    assert model.__doc__ is not None
    example = model.__doc__.split("\n\n", 1)[1].rsplit("\n\nFiles are", 1)[0]
    for name in (
        "server.crt",
        "server.key",
        "ca.crt",
        "client.crt",
        "client.key",
        "server-ca.crt",
        "idp-ca.crt",
    ):
        (tmp_path / name).write_text("pem")
    for name in ("engine.token", "ada.token", "app.password", "admin.password"):
        (tmp_path / name).write_text(name)
    path = tmp_path / "gateway.yaml"
    path.write_text("\n".join(line[4:] for line in example.splitlines()))
    config = load(path, {"APP_RO_PASSWORD": "x"})
    assert isinstance(config, Config)
    assert config.engine.tls is not None
