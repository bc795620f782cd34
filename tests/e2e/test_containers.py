"""The container files, as far as they can be judged without a container engine; docs/operations.md says what was never run."""

import re
import stat
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from activities.settings import FILE_VARIABLE, load_settings
from deploy.runtime_lock import entries, runtime_part
from domain.queues import Queue
from domain.search import KINDS

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
ONE_SHOT = {"temporal-schema", "temporal-namespace"}
OURS = {name for name, service in SERVICES.items() if "build" in service}


@pytest.mark.parametrize("name", sorted(SERVICES.keys() - ONE_SHOT))
def test_service_that_stays_has_a_health_check(name: str) -> None:
    """What runs on tells whether it works."""
    assert SERVICES[name]["healthcheck"]["test"][0] == "CMD"


@pytest.mark.parametrize("name", sorted(ONE_SHOT))
def test_one_shot_is_tried_again_only_when_it_fails(name: str) -> None:
    """A job that has done its work does not run again, and whoever needs it waits for its success."""
    assert SERVICES[name]["restart"].startswith("on-failure")
    waiting = [service["depends_on"][name] for service in SERVICES.values() if name in service.get("depends_on", {})]
    assert waiting
    assert all(condition == {"condition": "service_completed_successfully"} for condition in waiting)


def test_published_ports_are_on_loopback() -> None:
    """Nothing is reachable from another machine, and Temporal and its database from nowhere but the containers."""
    ports = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert ports.keys() == {"temporal-ui", "bridge"}
    assert all(re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port) for published in ports.values() for port in published)


def test_images_are_pinned_and_server_and_tools_are_of_one_version() -> None:
    """No image moves by itself; a schema tool of another version than the server's would write a schema it cannot use."""
    tags = {name: str(service["image"]).partition(":")[2] for name, service in SERVICES.items()}
    assert all(re.fullmatch(r"\d+\.\d+(\.\d+)?(-[a-z]+)?", tag) for tag in tags.values()), tags
    assert tags["temporal"] == tags["temporal-schema"] == tags["temporal-namespace"]
    stages = re.findall(r"^FROM (\S+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert set(stages) == {"python:3.11-slim-bookworm"}


def test_no_secret_stands_in_the_compose_file_or_the_example_environment() -> None:
    """Secrets come from files alone: no variable bears one, and the files are outside version control and the image."""
    names = [variable for service in SERVICES.values() for variable in service.get("environment", {})]
    names += re.findall(r"^(\w+)=", (ROOT / "deploy/nightlatch.env.example").read_text(), re.MULTILINE)
    secretive = [name for name in names if re.search(r"PASS|PWD|TOKEN|SECRET|PRIVATE|SEED$", name)]
    assert secretive == ["POSTGRES_PASSWORD_FILE"]
    assert all(secret["file"].startswith("deploy/secrets/") for secret in COMPOSE["secrets"].values())
    assert "secrets/" in (ROOT / "deploy/.gitignore").read_text().splitlines()
    assert (ROOT / ".dockerignore").read_text().splitlines()[1] == "*"


def test_secret_reaches_only_who_signs_or_calls_with_it() -> None:
    """Judge and provider credential never meet in one container; the bridge holds no key."""
    held = {name: set(SERVICES[name]["secrets"]) for name in OURS}
    assert held == {
        "worker-leases": {"leases.toml", "trusted.json", "witness.seed"},
        "worker-grants": {"grants.toml", "trusted.json", "witness.seed"},
        "worker-tickets": {"tickets.toml", "trusted.json", "judge.seed", "scribe.seed"},
        "bridge": {"bridge.toml", "trusted.json"},
    }


def test_every_queue_is_served_by_one_kind_of_worker() -> None:
    """No queue is forgotten in the split, and revocations have two processes of their own."""
    served = [
        queue
        for name in OURS - {"bridge"}
        for queue in SERVICES[name]["command"][SERVICES[name]["command"].index("--queues") + 1].split(",")
    ]
    assert sorted(served) == sorted(Queue)
    assert SERVICES["worker-leases"]["deploy"]["replicas"] == 2


def test_own_containers_may_do_nothing_but_run() -> None:
    """Read-only, without capabilities, not as root, and given time to finish an attempt."""
    for name in OURS:
        service = SERVICES[name]
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service["stop_grace_period"] == "30s"
    assert re.search(r"^USER 10001$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)


def test_temporal_ui_cannot_write() -> None:
    """Operators look; Terminate, Reset and Signal are not a click away."""
    assert SERVICES["temporal-ui"]["environment"]["TEMPORAL_DISABLE_WRITE_ACTIONS"] == "true"


def test_database_is_on_a_network_of_its_own() -> None:
    """Only Temporal reaches PostgreSQL, and PostgreSQL reaches nothing."""
    assert COMPOSE["networks"]["database"] == {"internal": True}
    on_it = {name for name, service in SERVICES.items() if "database" in service["networks"]}
    assert on_it == {"postgresql", "temporal-schema", "temporal"}


def test_referenced_files_exist() -> None:
    """Each mounted path, script and copied file is in the repository."""
    mounted = [volume.split(":")[0] for service in SERVICES.values() for volume in service.get("volumes", [])]
    paths = [path for path in mounted if path.startswith("./")]
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    paths += [path for line in copied for path in line.split()]
    scripts = [service["entrypoint"][1] for service in SERVICES.values() if "entrypoint" in service]
    paths += [f"deploy/temporal/{Path(script).name}" for script in scripts]
    paths += [f"deploy/temporal/{Path(SERVICES['temporal']['environment']['DYNAMIC_CONFIG_FILE_PATH']).name}"]
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert [path for path in paths if not (ROOT / path).exists()] == []
    assert {path for line in copied for path in line.split()} == allowed


def test_scripts_stop_at_the_first_error() -> None:
    """`set -eu` in every script, and each may be executed."""
    scripts = sorted((ROOT / "deploy").rglob("*.sh"))
    assert len(scripts) == 4
    for script in scripts:
        assert script.read_text().startswith("#!/bin/sh\n")
        assert "\nset -eu\n" in script.read_text()
        assert script.stat().st_mode & stat.S_IXUSR


def test_namespace_script_registers_what_the_domain_names() -> None:
    """The script's search attributes are those of domain/search.py, with their types."""
    script = (ROOT / "deploy/temporal/namespace.sh").read_text()
    assert dict(re.findall(r"--name (\w+) --type (\w+)", script)) == KINDS


def test_example_environment_and_a_secret_file_are_whole_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What compose gives the workers that hold the Okta credential is accepted by the settings, without one name unknown."""
    secret = tmp_path / "grants.toml"
    secret.write_text(
        '[jira]\ntoken = "example"\n\n[[okta]]\ninstance = "okta/prod"\nurl = "https://acme.okta.com"\ntoken = "example"\n'
    )
    example = (ROOT / "deploy/nightlatch.env.example").read_text()
    given = dict(re.findall(r"^(NIGHTLATCH_\w+)=(.+)$", example, re.MULTILINE))
    given |= {k: v for k, v in SERVICES["worker-grants"]["environment"].items() if k.startswith("NIGHTLATCH_")}
    for name, value in (given | {FILE_VARIABLE: str(secret)}).items():
        monkeypatch.setenv(name, value)
    settings = load_settings()
    assert settings.okta[0].instance == "okta/prod"
    assert str(settings.keys.witness) == "/run/secrets/witness.seed"
    assert settings.keys.judge is None


def test_image_gets_what_running_needs_and_no_test_tool() -> None:
    """The part of the lock that is installed holds every declared dependency with its hashes, and no linter or test runner."""
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    part = runtime_part((ROOT / "requirements.lock").read_text(), declared)
    packages = entries(part)
    assert {"temporalio", "okta", "jira", "cryptography", "pydantic-core", "uvicorn"} <= packages.keys()
    assert not {"pytest", "ruff", "mypy", "hypothesis", "openapi-core", "uv"} & packages.keys()
    assert all("--hash=sha256:" in text for text, _ in packages.values())
