"""What an operator configures, from the environment (`NIGHTLATCH_...`) and one TOML file. Secrets are shown by no representation."""

import os
from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr, StringConstraints, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from activities.integrations.jira_settings import JiraSettings
from activities.integrations.webhook_pager import PagerSettings
from activities.providers.okta_settings import OktaSettings
from domain.errors import InvalidInputError
from domain.ids import IssueId, IssueKey, SiteName, TicketRef
from domain.values import StrictValue

FILE_VARIABLE = "NIGHTLATCH_CONFIG"
DEFAULT_FILE = "nightlatch.toml"


class KeySettings(StrictValue):
    """Files of Ed25519 seeds (32 bytes in URL-safe base64), each given only to the processes that sign in that role.

    `trusted` is a JSON list of the public keys that are believed, old ones included until their last lease has closed.
    """

    trusted: Path
    judge: Path | None = None
    witness: Path | None = None
    scribe: Path | None = None


class BridgeSettings(StrictValue):
    """`poll_seconds`: how often the tickets are asked for changes whose webhook was lost. `state`: the durable high-water mark."""

    host: str = "127.0.0.1"
    port: int = Field(default=8787, ge=0, le=65535)
    webhook_secret: SecretStr = Field(min_length=16)
    poll_seconds: float = Field(default=60, gt=0)
    state: Path = Path(".nightlatch/bridge.json")


class Settings(BaseSettings):
    """Environment wins over file. `queue_prefix` keeps several installations apart in one namespace."""

    model_config = SettingsConfigDict(
        env_prefix="NIGHTLATCH_", env_nested_delimiter="__", frozen=True, extra="forbid", hide_input_in_errors=True
    )

    site: SiteName
    catalogue: Path
    jira: JiraSettings
    okta: tuple[OktaSettings, ...] = ()
    control_issue_id: IssueId
    control_issue_key: IssueKey
    keys: KeySettings
    bridge: BridgeSettings | None = None
    pager: PagerSettings | None = None
    queue_prefix: Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{0,40}$")] = "nightlatch-"
    expect_digest: str = ""

    @property
    def control_ticket(self) -> TicketRef:
        return TicketRef(site=self.site, issue_id=self.control_issue_id, key=self.control_issue_key)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments, then environment, then the file; no `.env` and no ambient secrets directory."""
        _ = dotenv_settings, file_secret_settings
        file = TomlConfigSettingsSource(settings_cls, toml_file=os.environ.get(FILE_VARIABLE, DEFAULT_FILE))
        return init_settings, env_settings, file


def load_settings() -> Settings:
    """The settings of this process.

    Raises:
        InvalidInputError: something is missing or wrong; the message names each setting and never its value.
    """
    try:
        return Settings()
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(map(str, fault['loc'])) or 'settings'}: {fault['msg']}" for fault in error.errors()
        )
        where = os.environ.get(FILE_VARIABLE, DEFAULT_FILE)
        raise InvalidInputError(
            f"the configuration is not usable: {faults}. Set NIGHTLATCH_<NAME> in the environment, or write it in {where}"
        ) from None
    except OSError as error:
        raise InvalidInputError(f"the configuration file cannot be read: {error}") from error
    except ValueError as error:
        raise InvalidInputError(f"the configuration file is not TOML: {error}") from error
