"""What the processes of a seeded run are told: a catalogue of shared targets, and for each process a way of its own to everybody."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from activities.settings import FILE_VARIABLE, Settings
from sandbox.client import SandboxClient
from starter.dev_config import SITE
from starter.dev_home import Home
from tests.chaos.seeded.account import Pair
from tests.chaos.seeded.bounds import POLL_SECONDS
from tests.chaos.seeded.plan import APPROVERS, SUBJECTS, Plan
from tests.chaos.seeded.proxy import Proxy

ACCOUNTS = {
    name: f"712020:{name}-0000-0000-0000-{number:012d}"
    for number, name in ((1, "alice"), (2, "bob"), (3, "carol"), (4, "dave"), (6, "erin"))
}
"""Jira accounts of the sandbox's people."""

TARGET = "  {name}: {{kind: okta-group, instance: okta/prod, container_id: {group}, name: {name}, mode: {mode}}}"
ENTITLEMENT = """  {name}:
    title: Shared by many
    application: Chaos
    targets: [{targets}]
    requesters: [{subjects}]
    approval: {{approvers: [{approvers}]}}
    max_duration: 1h
    extension: {{each: 1h, total: 2h, count: 3}}"""
PERSON = """  {key}:
    name: {key}
    jira: ["{account}"]
    accounts: {{okta/prod: {user}}}"""


def user_id(name: str) -> str:
    """The Okta user of one of the sandbox's people."""
    return f"00u{name}".ljust(20, "0") + "1"


@dataclass(frozen=True)
class Link:
    """How one process reaches the engine and the vendors."""

    server: Proxy
    vendors: Proxy


@dataclass(frozen=True)
class Targets:
    """The groups of each entitlement of a plan."""

    groups: tuple[tuple[str, ...], ...]

    def pairs(self, entitlement: int, subject: str) -> tuple[Pair, ...]:
        user = user_id(subject)
        return tuple(Pair(group, user) for group in self.groups[entitlement])

    def all_groups(self) -> frozenset[str]:
        return frozenset(group for groups in self.groups for group in groups)


def entitlement_name(number: int) -> str:
    return f"shared-{number}"


async def make_targets(sandbox: SandboxClient, plan: Plan) -> Targets:
    groups = [
        tuple([await sandbox.make_okta_group(f"shared-{number}-{part}") for part in range(size)])
        for number, size in enumerate(plan.entitlements)
    ]
    return Targets(tuple(groups))


def write_catalogue(folder: Path, targets: Targets) -> None:
    """Every other target is enforced; the others are only observed. What we granted ends in both."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [f"site: {SITE}", "targets:"]
    names = [[f"target-{number}-{part}" for part in range(len(groups))] for number, groups in enumerate(targets.groups)]
    for number, groups in enumerate(targets.groups):
        mode = "enforce" if number % 2 else "observe"
        lines += [
            TARGET.format(name=name, group=group, mode=mode) for name, group in zip(names[number], groups, strict=True)
        ]
    lines.append("entitlements:")
    lines += [
        ENTITLEMENT.format(
            name=entitlement_name(number),
            targets=", ".join(mine),
            subjects=", ".join(SUBJECTS),
            approvers=", ".join(APPROVERS),
        )
        for number, mine in enumerate(names)
    ]
    lines.append("people:")
    lines += [PERSON.format(key=name, account=account, user=user_id(name)) for name, account in ACCOUNTS.items()]
    (folder / "catalogue.yaml").write_text("\n".join(lines) + "\n")


def environment_of(
    home: Home, name: str, link: Link, settings: Settings, more: Mapping[str, str] | None = None
) -> dict[str, str]:
    """The environment of one process, which reaches engine and vendors only through its own link, and calls under its own name."""
    folder = home.folder / name
    folder.mkdir(exist_ok=True)
    vendors = settings.jira.url.removesuffix("jira")
    told = home.config.read_text().replace(vendors, f"http://{link.vendors.address}/as/{name}/")
    (folder / "nightlatch.toml").write_text(told)
    ours = {
        FILE_VARIABLE: str(folder / "nightlatch.toml"),
        "NIGHTLATCH_CATALOGUE": str(home.folder / "catalog"),
        "NIGHTLATCH_BRIDGE__POLL_SECONDS": str(POLL_SECONDS),
        "TEMPORAL_ADDRESS": link.server.address,
    }
    return home.environment() | ours | dict(more or {})


def approver_accounts(names: Sequence[str] = APPROVERS) -> frozenset[str]:
    return frozenset(ACCOUNTS[name] for name in names)
