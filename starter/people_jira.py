"""Who a person is in Jira, for the command line: from the environment, or a profile in a TOML file that only they can read."""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from domain.errors import InvalidInputError
from domain.ids import IssueKey

if TYPE_CHECKING:
    from activities.integrations.jira_person import PersonSettings

PREFIX = "NIGHTLATCH_JIRA_"
DEFAULT_FILE = Path("~/.config/nightlatch/people.toml")
NEEDED = ("url", "email", "token")
_KEY = TypeAdapter(IssueKey)


def load_person(profile: str | None, file: Path | None) -> "PersonSettings":
    """The login of `profile` in `file`; without a profile, of the environment (`NIGHTLATCH_JIRA_URL`, `_EMAIL`, `_TOKEN`, ...).

    Raises:
        InvalidInputError: there is none, it is not complete, or others may read the file. The message shows no value.
    """
    from activities.integrations.jira_person import PersonSettings  # noqa: PLC0415 - imports the SDK, only when used

    if profile is None and file is not None:
        raise InvalidInputError(f"{file} holds several people; say which one with --as PROFILE")
    given = _from_environment(PersonSettings.model_fields) if profile is None else _from_file(profile, file)
    source = "the environment" if profile is None else f"profile {profile!r}"
    if missing := [name for name in NEEDED if not given.get(name)]:
        names = ", ".join(f"{PREFIX}{name.upper()}" for name in missing) if profile is None else ", ".join(missing)
        it, verb = ("it", "is") if len(missing) == 1 else ("them", "are")
        remedy = f"set {it}, or choose a profile with --as" if profile is None else f"add {it} to the file"
        raise InvalidInputError(f"{source} does not say who you are in Jira: {names} {verb} missing; {remedy}")
    try:
        return PersonSettings.model_validate(given)
    except ValidationError as error:
        faults = (
            f"{'.'.join(map(str, fault['loc']))}: {fault['msg'].removeprefix('Value error, ')}"
            for fault in error.errors()
        )
        raise InvalidInputError(f"{source} is no usable Jira login: {'; '.join(faults)}") from None


def ticket_key(text: str) -> str:
    """Raises `InvalidInputError` when `text` is no ticket key; lower case is forgiven."""
    try:
        return _KEY.validate_python(text.strip().upper())
    except ValidationError:
        raise InvalidInputError(f"{text[:40]!r} is no ticket key; write for example SEC-42") from None


def _from_environment(names: Mapping[str, Any]) -> dict[str, str]:
    variables = {name: os.environ.get(PREFIX + name.upper()) for name in names}
    return {name: value for name, value in variables.items() if value}


def _from_file(profile: str, file: Path | None) -> dict[str, Any]:
    path = (file or DEFAULT_FILE).expanduser()
    try:
        if path.stat().st_mode & 0o077:
            raise InvalidInputError(f"others may read the tokens in {path}: chmod 600 it")
        profiles = tomllib.loads(path.read_text())
    except OSError as error:
        raise InvalidInputError(
            f"the profile file {path} cannot be read ({error.strerror});"
            f" write a table [{profile}] with url, email and token in it"
        ) from error
    except ValueError:
        raise InvalidInputError(f"the profile file {path} is not TOML; write tables such as [alice]") from None
    found = profiles.get(profile)
    if not isinstance(found, dict):
        raise InvalidInputError(f"{path} has no profile {profile!r}; it has {', '.join(sorted(profiles)) or 'none'}")
    return found
