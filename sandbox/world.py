"""What every part of the sandbox shares: state, audit log, fault rules and settings, handed down as one value."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import httpx
from pydantic import BaseModel, ConfigDict

from sandbox.audit import AuditLog
from sandbox.faults import Faults
from sandbox.loopback import loopback_client
from sandbox.store import Store


class OktaSettings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    api_token: str = "sandbox-okta-token"  # noqa: S105 - opens nothing but this stand-in
    token_lifetime_seconds: int = 3600
    requests_per_minute: int = 60_000


class JiraSettings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    webhook_url: str = ""
    webhook_secret: str = ""
    webhook_retry_delays_seconds: tuple[float, ...] = (0.2, 0.5, 1.0, 2.0, 5.0)


class SandboxSettings(BaseModel):
    """Read from the file named by `--seed`; what control routes set later is kept in the store and wins."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    okta: OktaSettings = OktaSettings()
    jira: JiraSettings = JiraSettings()


class OfficialCheck(Protocol):
    """The judge of requests and answers against the vendors' published API descriptions."""

    def check(
        self,
        vendor: str,
        method: str,
        path: str,
        query: str,
        request_headers: Mapping[str, str],
        request_body: bytes,
        status: int,
        response_headers: Mapping[str, str],
        response_body: bytes,
    ) -> list[str]: ...

    def report(self) -> dict[str, Any]: ...


@dataclass(frozen=True)
class World:
    store: Store
    audit: AuditLog
    faults: Faults
    settings: SandboxSettings
    spec_checker: OfficialCheck | None
    http: Callable[[], httpx.AsyncClient]


def open_world(data: Path, settings: SandboxSettings, specs: Path | None = None) -> World:
    """Open (or begin) the state in folder `data`; `specs` names a folder of API descriptions to judge calls against."""
    store = Store(data / "sandbox.sqlite")
    return World(
        store=store,
        audit=AuditLog(store),
        faults=Faults(),
        settings=settings,
        spec_checker=_load_checker(specs) if specs else None,
        http=lambda: loopback_client(timeout=10),
    )


def _load_checker(specs: Path) -> OfficialCheck:
    # Imported on demand: the validators are development dependencies, and a demo runs without them.
    from sandbox.specs import SpecChecker  # noqa: PLC0415

    return SpecChecker(specs)
