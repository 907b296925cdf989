"""The committed code in `proto/doorward_proto/v1` is what `make proto` would write today."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
from pathlib import Path

import pytest

from doorward_proto.v1 import decision_pb2, decision_pb2_grpc

PROTO = Path(__file__).parents[2] / "proto"
FILE = "doorward_proto/v1/decision.proto"

pytest.importorskip("grpc_tools", reason="grpcio-tools (extra `dev`) makes the code")


def protoc(*args: str) -> None:
    command = [sys.executable, "-m", "grpc_tools.protoc", "-I", str(PROTO), *args, FILE]
    subprocess.run(command, check=True, timeout=60)


def test_the_committed_descriptor_is_that_of_the_proto_file(tmp_path: Path) -> None:
    from google.protobuf.descriptor_pb2 import FileDescriptorSet

    protoc(f"--descriptor_set_out={tmp_path / 'set'}")
    (wanted,) = FileDescriptorSet.FromString((tmp_path / "set").read_bytes()).file
    committed = type(wanted).FromString(decision_pb2.DESCRIPTOR.serialized_pb)
    for message in wanted.message_type:
        for field in message.field:
            field.ClearField("json_name")  # protoc spells the default out in a descriptor set only
    assert committed == wanted


def test_the_committed_files_are_those_the_same_compiler_writes(tmp_path: Path) -> None:
    if importlib.metadata.version("grpcio-tools") != decision_pb2_grpc.GRPC_GENERATED_VERSION:
        pytest.skip("made by another version of grpcio-tools: the text differs, the descriptor may not")
    protoc(f"--python_out={tmp_path}", f"--pyi_out={tmp_path}", f"--grpc_python_out={tmp_path}")
    made = {path.name: path.read_bytes() for path in (tmp_path / "doorward_proto/v1").iterdir()}
    committed = {path.name: path.read_bytes() for path in (PROTO / "doorward_proto/v1").glob("*_pb2*.py*")}
    assert committed == made
