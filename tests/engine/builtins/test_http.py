"""`http.send` against real servers on the loopback, plain and with TLS by an authority of our own."""

from __future__ import annotations

import datetime
import gzip
import ipaddress
import json
import ssl
import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from doorward.run.errors import EvaluationError

from .calls import Call, call

HERE = "127.0.0.1"


class Server(ThreadingHTTPServer):
    """Counts what it is asked; a thread that waits for `released` ends with the server."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__((HERE, 0), Handler)
        self.asked: Counter[str] = Counter()
        self.released = threading.Event()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up, or does not trust us, is what some tests are about."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name it has there
        """Say nothing."""

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        self.server.asked[self.path] += 1
        status, kind, headers, content = self.content(body)
        self.send_response(status)
        for name, value in [("Content-Type", kind), *headers]:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def content(self, body: bytes) -> tuple[int, str, list[tuple[str, str]], bytes]:
        port = self.server.server_port
        match self.path:
            case "/echo":
                sent = {name.lower(): value for name, value in self.headers.items()}
                said = {"method": self.command, "headers": sent, "body": body.decode()}
                return 200, "application/json", [], json.dumps(said).encode()
            case "/text":
                return 200, "text/plain", [], b'{"a": 1}'
            case "/problem":
                return 400, "application/problem+json; charset=utf-8", [], b'{"a": 1}'
            case "/broken":
                return 200, "application/json", [], b"{a"
            case "/exact":
                return 200, "application/json", [], b"[1.10000000000000000000000000000000001]"
            case "/yaml":
                return 200, "text/plain", [], b"a: [1, x]\n"
            case "/yaml-typed":
                return 200, "application/yaml", [], b"a: [1, x]\n"
            case "/bytes":
                return 200, "application/octet-stream", [], b"\xff\x00a"
            case "/twice":
                return 200, "text/plain", [("X-A", "1"), ("X-A", "2")], b""
            case "/zipped":
                return 200, "application/json", [("Content-Encoding", "gzip")], gzip.compress(b'{"z": 1}')
            case "/bomb":
                zeros = gzip.compress(bytes(32 << 20))
                return 200, "text/plain", [("Content-Encoding", "gzip")], zeros
            case "/moved":
                return 302, "text/plain", [("Location", "/echo")], b""
            case "/kept":
                return 307, "text/plain", [("Location", "/echo")], b""
            case "/round":
                return 302, "text/plain", [("Location", "/round")], b""
            case "/away":
                return 302, "text/plain", [("Location", f"http://localhost:{port}/echo")], b""
            case "/file":
                return 302, "text/plain", [("Location", "file:///etc/passwd")], b""
            case "/slow":
                self.server.released.wait(30)
            case "/flaky" if self.server.asked["/flaky"] < 3:
                raise ConnectionAbortedError
            case "/flaky":
                return 200, "application/json", [], b"3"
        return 404, "text/plain", [], b"no"

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = answer  # noqa: N815 - the names it calls


@pytest.fixture
def server() -> Iterator[Server]:
    yield from serving(Server())


def serving(server: Server) -> Iterator[Server]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield server
    server.released.set()
    server.shutdown()
    server.server_close()
    thread.join()


def send(server: Server, path: str, *, to: Call | None = None, **request: Any) -> Any:
    url = f"http://{HERE}:{server.server_port}{path}"
    return call("http.send", {"method": "get", "url": url, **request}, context=to or Call(HERE))


def refusal(server: Server, path: str, **request: Any) -> tuple[str, str]:
    with pytest.raises(EvaluationError) as caught:
        send(server, path, **request)
    return caught.value.code, caught.value.message


def test_the_shape_of_an_answer(server: Server) -> None:
    answer = send(server, "/problem")
    assert answer.keys() == {"status", "status_code", "body", "raw_body", "headers"}
    assert (answer["status"], answer["status_code"]) == ("400 Bad Request", 400)
    assert (answer["body"], answer["raw_body"]) == ({"a": 1}, '{"a": 1}')
    assert answer["headers"]["content-type"] == ["application/problem+json; charset=utf-8"]
    assert send(server, "/twice")["headers"]["x-a"] == ["1", "2"]


@pytest.mark.parametrize(
    ("request_", "method", "body"),
    [
        ({"method": "get"}, "GET", ""),
        ({"method": "DELETE"}, "DELETE", ""),
        ({"method": "post", "body": {"b": [1, "é"], "a": None}}, "POST", '{"a":null,"b":[1,"é"]}'),
        ({"method": "patch", "body": None}, "PATCH", "null"),
        ({"method": "put", "raw_body": "as it is"}, "PUT", "as it is"),
        ({"method": "put", "raw_body": "this", "body": "not this"}, "PUT", "this"),
    ],
)
def test_methods_and_bodies(server: Server, request_: dict[str, Any], method: str, body: str) -> None:
    echo = send(server, "/echo", **request_)["body"]
    assert (echo["method"], echo["body"]) == (method, body)


def test_headers(server: Server) -> None:
    sent = {"X-A": "b", "Host": "elsewhere", "User-Agent": "me", "Content-Type": "text/x"}
    got = send(server, "/echo", headers=sent)["body"]["headers"]
    assert {name: got[name.lower()] for name in sent} == sent
    assert "accept" not in got


@pytest.mark.parametrize(
    ("path", "options", "body"),
    [
        ("/text", {}, None),
        ("/text", {"force_json_decode": True}, {"a": 1}),
        ("/broken", {}, None),
        ("/broken", {"force_json_decode": True}, None),
        ("/yaml", {}, None),
        ("/yaml", {"force_yaml_decode": True}, {"a": [1, "x"]}),
        ("/yaml-typed", {}, {"a": [1, "x"]}),
        ("/zipped", {}, {"z": 1}),
    ],
)
def test_decoding(server: Server, path: str, options: dict[str, Any], body: Any) -> None:
    assert send(server, path, **options)["body"] == body


def test_bytes_and_digits_are_kept(server: Server) -> None:
    assert send(server, "/bytes")["raw_body"] == "\udcff\x00a"
    assert str(send(server, "/exact")["body"][0]) == "1.10000000000000000000000000000000001"


def test_redirects(server: Server) -> None:
    assert send(server, "/moved")["status_code"] == 302
    follow = {"enable_redirect": True}
    assert send(server, "/moved", method="post", body=1, **follow)["body"]["method"] == "GET"
    assert send(server, "/kept", method="post", body=1, **follow)["body"]["body"] == "1"
    assert "redirects" in refusal(server, "/round", **follow)[1]
    assert server.asked["/round"] <= 12


def test_a_redirect_leads_nowhere_that_is_not_allowed(server: Server) -> None:
    follow = {"enable_redirect": True}
    assert refusal(server, "/away", **follow) == (
        "eval_builtin_error",
        "http.send: disallowed host: localhost",
    )
    assert server.asked["/echo"] == 0
    assert refusal(server, "/file", **follow)[0] == "eval_builtin_error"
    assert send(server, "/away", to=Call(HERE, "localhost"), **follow)["status_code"] == 200


def test_hosts(server: Server) -> None:
    assert "the network is not open" in refusal(server, "/echo", to=Call())[1]
    assert "disallowed host: 127.0.0.1" in refusal(server, "/echo", to=Call("example.com"))[1]
    assert not server.asked


def test_no_proxy_of_the_environment(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    assert send(server, "/echo")["status_code"] == 200


def test_timeout(server: Server) -> None:
    code, message = refusal(server, "/slow", timeout="100ms")
    assert code == "eval_builtin_error"
    assert message.endswith("timed out")
    assert send(server, "/slow", timeout=50_000_000, raise_error=False) == {
        "status_code": 0,
        "error": {
            "code": "eval_http_send_network_error",
            "message": f'Get "http://{HERE}:{server.server_port}/slow": timed out',
        },
    }


def test_retries(server: Server) -> None:
    assert refusal(server, "/flaky")[0] == "eval_builtin_error"
    assert send(server, "/flaky", max_retry_attempts=3)["body"] == 3
    assert server.asked["/flaky"] == 3


def test_size_is_bounded(server: Server) -> None:
    assert "the answer is longer than" in refusal(server, "/bomb")[1]


def test_one_evaluation_asks_once(server: Server) -> None:
    context = Call(HERE)
    answers = [send(server, "/echo", to=context, cache=True) for _ in range(3)]
    assert answers[0] == answers[1] == answers[2]
    forced = {"force_cache": True, "force_cache_duration_seconds": 60}
    for _ in range(2):
        send(server, "/echo", to=context, **forced)
    assert server.asked["/echo"] == 2
    send(server, "/echo", cache=True)
    assert server.asked["/echo"] == 3


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        ({"nope": 1}, "eval_type_error", 'operand 1 invalid request parameters(s): {"nope"}'),
        ({"method": 1}, "eval_builtin_error", "`method` must be a string"),
        ({"url": "ftp://127.0.0.1/"}, "eval_builtin_error", "must be `http` or `https`"),
        ({"url": "http://[::"}, "eval_builtin_error", "cannot be read"),
        ({"timeout": "5x"}, "eval_builtin_error", 'invalid timeout value "5x"'),
        ({"headers": {"a": 1}}, "eval_builtin_error", "invalid type for headers value 1"),
        ({"headers": {"a": "x\r\nb: c"}}, "eval_builtin_error", "holds what no header can"),
        ({"raw_body": 1}, "eval_builtin_error", "raw_body must be a string"),
        ({"max_retry_attempts": -1}, "eval_builtin_error", "max_retry_attempts"),
        ({"enable_redirect": "x"}, "eval_builtin_error", "`enable_redirect` must be true or false"),
        ({"force_cache": True}, "eval_builtin_error", "force_cache_duration_seconds"),
        ({"cache": True, "caching_mode": "x"}, "eval_builtin_error", "caching_mode"),
        ({"tls_ca_cert": "x"}, "eval_builtin_error", "could not append certificates"),
        ({"tls_ca_cert_file": "/nowhere"}, "eval_builtin_error", '"/nowhere" cannot be read'),
        ({"tls_client_cert": "x"}, "eval_builtin_error", "go together"),
        ({"tls_client_key_env_variable": "DOORWARD_NOT_SET"}, "eval_builtin_error", "is not set"),
    ],
)
def test_requests_that_cannot_be(server: Server, options: dict[str, Any], code: str, message: str) -> None:
    got = refusal(server, "/echo", **options)
    assert got[0] == code
    assert message in got[1]
    answer = send(server, "/echo", raise_error=False, **options)
    assert (answer["status_code"], answer["error"]["code"]) == (0, "eval_http_send_internal_error")
    assert message in answer["error"]["message"]
    assert not server.asked


# --- TLS ---


class Authority:
    """A certificate authority of this test run."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test authority")])
        self.pem = self._signed(self._name, self._key, None).decode()

    def pair(self, name: str) -> tuple[str, str]:
        """Certificate and key, PEM."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return self._signed(subject, key, name).decode(), private.decode()

    def _signed(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, name: str | None) -> bytes:
        now = datetime.datetime.now(datetime.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(hours=1))
            .add_extension(x509.BasicConstraints(ca=name is None, path_length=None), critical=True)
        )
        if name is not None:
            names = [x509.DNSName(name), x509.IPAddress(ipaddress.ip_address(HERE))]
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture(params=[False, True], ids=["server-certificate", "both-certificates"])
def tls(
    authority: Authority, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[tuple[Server, bool]]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate, key = authority.pair("localhost")
    (tmp_path / "pair.pem").write_text(certificate + key)
    context.load_cert_chain(tmp_path / "pair.pem")
    if request.param:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=authority.pem)
    server = Server()
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    for one in serving(server):
        yield one, request.param


def test_tls(
    tls: tuple[Server, bool], authority: Authority, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    server, both = tls
    url = f"https://{HERE}:{server.server_port}/text"
    certificate, key = authority.pair("client")
    ours = {"tls_client_cert": certificate, "tls_client_key": key} if both else {}

    def status(**options: Any) -> int:
        request = {"method": "get", "url": url, "raise_error": False, **options}
        return int(call("http.send", request, context=Call(HERE))["status_code"])

    assert status(tls_ca_cert=authority.pem, **ours) == 200
    assert status(**ours) == 0  # nobody whom the system trusts vouches for it
    assert status(tls_ca_cert=Authority().pem, **ours) == 0
    assert status(tls_insecure_skip_verify=True, **ours) == 200
    assert status(tls_ca_cert=authority.pem, tls_server_name="localhost", **ours) == 200
    assert status(tls_ca_cert=authority.pem, tls_server_name="example.com", **ours) == 0
    assert status(tls_ca_cert=authority.pem) == (0 if both else 200)
    (tmp_path / "ca.pem").write_text(authority.pem)
    assert status(tls_ca_cert_file=str(tmp_path / "ca.pem"), **ours) == 200
    monkeypatch.setenv("DOORWARD_TEST_CA", authority.pem)
    assert status(tls_ca_cert_env_variable="DOORWARD_TEST_CA", **ours) == 200
