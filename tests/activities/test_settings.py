"""Configuration errors name the setting and the remedy, and never the value: it may be a secret put in the wrong place."""

import json
from pathlib import Path

import pytest

from activities.bundle import SIGNERS, Keys
from activities.ports import AccessProvider
from activities.registry import Registry, load_keys
from activities.settings import KeySettings, Settings, load_settings
from domain.canonical import KeyRole, SigningKey
from domain.catalogue import TargetKind
from domain.errors import InvalidInputError
from domain.ids import TargetRef
from domain.queues import Queue

SECRET = "tell-nobody-0123456789"  # noqa: S105 - looks like one on purpose

GOOD = f"""
site = "example"
catalogue = "catalog"
control_issue_id = "10000"
control_issue_key = "SEC-1"

[keys]
trusted = "trusted.json"

[jira]
url = "https://example.atlassian.net"
email = "bot@example.com"
token = "{SECRET}"
site = "example"
own_account = "712020:bot"
project = "SEC"

[[okta]]
instance = "okta/prod"
url = "https://example.okta.com"
token = "{SECRET}"
"""


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "nightlatch.toml"
    file.write_text(GOOD)
    monkeypatch.setenv("NIGHTLATCH_CONFIG", str(file))
    return file


def refusal() -> str:
    with pytest.raises(InvalidInputError) as caught:
        load_settings()
    assert SECRET not in str(caught.value)
    assert SECRET not in repr(caught.value.__cause__)
    return str(caught.value)


def test_file_is_read_and_environment_wins(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One TOML file, and variables that override it; no representation shows a secret."""
    assert config.exists()
    monkeypatch.setenv("NIGHTLATCH_SITE", "other")
    settings = load_settings()
    assert settings.site == "other"
    assert settings.control_ticket.issue_id == "10000"
    assert SECRET not in repr(settings)
    assert SECRET not in settings.model_dump_json()


@pytest.mark.parametrize(
    ("wrong", "name"),
    [
        ('site = "example"\ncatalogue', "site"),
        ('url = "https://example.okta.com"', "okta.0"),
        ('own_account = "712020:bot"', "jira.own_account"),
        ('trusted = "trusted.json"', "keys.trusted"),
    ],
)
def test_missing_setting_is_named(config: Path, wrong: str, name: str) -> None:
    """What is missing is named by its full path."""
    config.write_text(GOOD.replace(wrong, "catalogue" if "catalogue" in wrong else ""))
    assert name in refusal()


@pytest.mark.parametrize("name", ["site", "queue_prefix", "control_issue_key", "catalog"])
def test_wrong_or_unknown_setting_is_named_without_its_value(config: Path, name: str) -> None:
    """A secret that was put in the wrong place is not repeated in the refusal."""
    lines = [line for line in GOOD.splitlines() if not line.startswith(f"{name} =")]
    config.write_text(f'{name} = "{SECRET}!"\n' + "\n".join(lines))
    assert name in refusal()


def test_file_that_is_not_toml_is_refused(config: Path) -> None:
    """A broken file is told as one."""
    config.write_text(f"site = {SECRET}\n= nonsense")
    assert "configuration" in refusal()


def test_unreadable_file_is_refused(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that cannot be opened is told as one."""
    monkeypatch.setenv("NIGHTLATCH_CONFIG", str(config.parent))
    assert "configuration" in refusal()


def keys_in(folder: Path) -> tuple[KeySettings, SigningKey]:
    judge = SigningKey.from_seed(b"j" * 32, KeyRole.JUDGE)
    (folder / "trusted.json").write_text(json.dumps([judge.public.model_dump(mode="json")]))
    (folder / "judge.seed").write_text("ampqampqampqampqampqampqampqampqampqampqamo=")
    (folder / "judge.seed").chmod(0o600)
    return KeySettings(trusted=folder / "trusted.json", judge=folder / "judge.seed"), judge


def test_keys_are_loaded_for_the_roles_at_hand(tmp_path: Path) -> None:
    """A process speaks only in the roles whose keys it was given."""
    settings, judge = keys_in(tmp_path)
    keys: Keys = load_keys(settings)
    assert keys.judge is not None
    assert keys.judge.public == judge.public
    assert (keys.witness, keys.scribe) == (None, None)


@pytest.mark.parametrize("queue", Queue)
def test_queue_whose_key_is_missing_is_refused(tmp_path: Path, queue: Queue) -> None:
    """A worker that could not sign for a queue does not poll it: what it took would never be done."""
    only_judge = load_keys(keys_in(tmp_path)[0])
    if not SIGNERS[queue]:
        only_judge.require_for([queue])
    else:
        with pytest.raises(InvalidInputError, match=rf"the queue {queue} needs keys\.(witness|scribe)"):
            only_judge.require_for([Queue.REQUESTS, queue])


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("trusted.json", "[]"),
        ("trusted.json", "{"),
        ("judge.seed", SECRET),
        ("judge.seed", ""),
        ("judge.seed", None),
        ("trusted.json", None),
    ],
)
def test_key_that_is_none_or_not_believed_is_refused(tmp_path: Path, file: str, text: str | None) -> None:
    """A key file that is broken, missing or not among the believed ones stops the process, and is not quoted."""
    settings, _judge = keys_in(tmp_path)
    path = tmp_path / file
    path.unlink()
    if text is not None:
        path.write_text(text)
        path.chmod(0o600)
    with pytest.raises(InvalidInputError) as caught:
        load_keys(settings)
    assert SECRET not in str(caught.value)
    assert "trusted" in str(caught.value) or "judge" in str(caught.value)


def settings_of(config: Path, *okta: str) -> Settings:
    head = GOOD[: GOOD.index("[[okta]]")]
    config.write_text(head + "\n".join(f"[[okta]]\n{entry}" for entry in okta))
    return load_settings()


def okta(instance: str = "okta/prod", timeout: str = "PT6S") -> str:
    return (
        f'instance = "{instance}"\nurl = "https://example.okta.com"\ntoken = "{SECRET}"\nclient_timeout = "{timeout}"\n'
    )


def adapter(registry: Registry, instance: str) -> AccessProvider:
    target = TargetRef(instance=instance, scope="group", container_id="00gadmin")
    return registry.for_target(TargetKind.OKTA_GROUP, target)


def test_registry_finds_the_adapter_of_an_instance(config: Path) -> None:
    """Each configured instance has its own adapter, and one that is not configured is named in the refusal."""
    registry = Registry(settings_of(config, okta(), okta("okta/dev")))
    assert adapter(registry, "okta/prod") is not adapter(registry, "okta/dev")
    with pytest.raises(InvalidInputError, match="okta/gone"):
        adapter(registry, "okta/gone")


def test_registry_refuses_two_entries_of_one_name(config: Path) -> None:
    """Two tenants under one name would make one lock of two groups."""
    with pytest.raises(InvalidInputError, match="same instance"):
        Registry(settings_of(config, okta(), okta()))


def test_registry_refuses_a_client_that_waits_longer_than_the_fence_allows(config: Path) -> None:
    """The kernel's fence is built on a bound of every adapter's calls; a slower one is not taken."""
    with pytest.raises(InvalidInputError, match="client_timeout of okta/prod"):
        Registry(settings_of(config, okta(timeout="PT7S")))
