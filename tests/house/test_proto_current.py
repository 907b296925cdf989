"""The committed code in `proto/doorward_proto` is what `make proto` would write today."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from doorward_proto.envoy import authorization_pb2
from doorward_proto.v1 import decision_pb2, decision_pb2_grpc

PROTO = Path(__file__).parents[2] / "proto"
FILES = {
    "doorward_proto/v1/decision.proto": (decision_pb2, "--grpc_python_out"),
    "doorward_proto/envoy/authorization.proto": (authorization_pb2, ""),
}
"""The files, with what each becomes, and what makes the code of a service where that is wanted."""

pytest.importorskip("grpc_tools", reason="grpcio-tools (extra `dev`) makes the code")


def protoc(file: str, *args: str) -> None:
    command = [sys.executable, "-m", "grpc_tools.protoc", "-I", str(PROTO), *args, file]
    subprocess.run(command, check=True, timeout=60)


def without_default_names(messages: Any) -> None:
    """protoc spells them out in a descriptor set only."""
    for message in messages:
        for field in message.field:
            field.ClearField("json_name")
        without_default_names(message.nested_type)


@pytest.mark.parametrize("file", FILES)
def test_the_committed_descriptor_is_that_of_the_proto_file(file: str, tmp_path: Path) -> None:
    from google.protobuf.descriptor_pb2 import FileDescriptorSet

    protoc(file, f"--descriptor_set_out={tmp_path / 'set'}")
    (wanted,) = FileDescriptorSet.FromString((tmp_path / "set").read_bytes()).file
    committed = type(wanted).FromString(FILES[file][0].DESCRIPTOR.serialized_pb)
    without_default_names(wanted.message_type)
    assert committed == wanted


@pytest.mark.parametrize("file", FILES)
def test_the_committed_files_are_those_the_same_compiler_writes(file: str, tmp_path: Path) -> None:
    if importlib.metadata.version("grpcio-tools") != decision_pb2_grpc.GRPC_GENERATED_VERSION:
        pytest.skip("made by another version of grpcio-tools: the text differs, the descriptor may not")
    plugins = [plugin for plugin in ("--python_out", "--pyi_out", FILES[file][1]) if plugin]
    protoc(file, *(f"{plugin}={tmp_path}" for plugin in plugins))
    folder = Path(file).parent
    made = {path.name: path.read_bytes() for path in (tmp_path / folder).iterdir()}
    committed = {path.name: path.read_bytes() for path in (PROTO / folder).glob("*_pb2*.py*")}
    assert committed == made
