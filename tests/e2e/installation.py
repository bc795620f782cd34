"""An installation over the sandbox's Jira: its settings as an environment, its adapter, and what its people write. No test lives here."""

import asyncio
from pathlib import Path

from activities.integrations.jira_person import JiraPerson, PersonSettings
from activities.integrations.jira_settings import JiraSettings
from activities.integrations.jira_tickets import JiraTickets
from domain.ids import TicketRef
from domain.ticket import TicketComment
from tests.e2e.cli_process import as_bot
from tests.sandbox_process import SandboxProcess

BOT = "712020:nightlatch-bot-0000-0000-0000-000000000008"


async def installed(sandbox: SandboxProcess, keys: Path) -> dict[str, str]:
    """The environment of an installation that signs with `keys`; its control ticket is the sandbox's own."""
    control = await as_bot(sandbox, "GET", "/issue/SEC-1")
    jira = {"URL": f"{sandbox.base_url}/jira", "EMAIL": "nightlatch-bot@example.com", "TOKEN": "nightlatch-bot-token"}
    jira |= {"SITE": "demo", "OWN_ACCOUNT": BOT, "PROJECT": "SEC"}
    return {
        **{f"NIGHTLATCH_JIRA__{name}": value for name, value in jira.items()},
        "NIGHTLATCH_SITE": "demo",
        "NIGHTLATCH_CATALOGUE": "catalog",
        "NIGHTLATCH_CONTROL_ISSUE_ID": control["id"],
        "NIGHTLATCH_CONTROL_ISSUE_KEY": control["key"],
        "NIGHTLATCH_KEYS__TRUSTED": str(keys / "trusted.json"),
        "NIGHTLATCH_KEYS__JUDGE": str(keys / "judge.seed"),
    }


def tickets_of(env: dict[str, str]) -> JiraTickets:
    prefix = "NIGHTLATCH_JIRA__"
    settings = {name.removeprefix(prefix).lower(): value for name, value in env.items() if name.startswith(prefix)}
    return JiraTickets(JiraSettings.model_validate(settings))


def control_of(env: dict[str, str]) -> TicketRef:
    number, key = (env[f"NIGHTLATCH_CONTROL_ISSUE_{name}"] for name in ("ID", "KEY"))
    return TicketRef(site="demo", issue_id=number, key=key)


async def commented(sandbox: SandboxProcess, name: str, ticket: TicketRef, text: str) -> TicketComment:
    """What a person of the sandbox writes on a ticket, with their own token."""
    settings = {"url": f"{sandbox.base_url}/jira", "email": f"{name}@example.com", "token": f"{name}-token"}
    person = JiraPerson(PersonSettings.model_validate(settings))
    try:
        return await asyncio.to_thread(person.comment, ticket, text)
    finally:
        person.close()
