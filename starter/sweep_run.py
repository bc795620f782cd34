"""A sweep with the parts that the settings name: composition, and what is said when it is done."""

from collections.abc import Callable

from activities.bundle import Keys
from activities.catalogue_files import CatalogueFolder
from activities.integrations.jira_tickets import JiraTickets
from activities.integrations.webhook_pager import WebhookPager
from activities.registry import Registry, load_keys
from activities.settings import Settings
from domain.errors import InvalidInputError, VendorError
from domain.sweep import SweepOrder, SweepReport, SweepWord
from starter.sweep import Sweep
from starter.sweep_word import page_failure, page_for, read_word, write_word


async def run_sweep(settings: Settings, order: SweepOrder, tell: Callable[[str], None]) -> SweepReport:
    """One run; with `dry_run` nothing is written anywhere.

    Raises:
        InvalidInputError: the settings or keys cannot be used, or an instance is not configured.
    """
    configured = {entry.instance for entry in settings.okta}
    unknown = sorted(set(order.instances) - configured)
    if unknown:
        raise InvalidInputError(f"no instance {unknown[0]} is configured; configured: {', '.join(sorted(configured))}")
    keys, control = load_keys(settings.keys), settings.control_ticket
    tickets, registry = JiraTickets(settings.jira), Registry(settings)
    catalogues = CatalogueFolder(settings.catalogue, expect_digest=settings.expect_digest)
    pager = WebhookPager(settings.pager) if settings.pager is not None else None
    try:
        await registry.warm_up()
        known = await _last_word(tickets, settings, keys)
        sweep = Sweep(
            order,
            tickets=tickets,
            providers=registry,
            catalogues=catalogues,
            control=control,
            keys=keys,
            memory=known.memory if known is not None else None,
            tell=tell,
        )
        report = await sweep.run()
        if order.dry_run:
            return report
        told = await _write_word(tickets, settings, keys, report)
        if pager is not None:
            told.append(await page_for(pager, control, report))
        return report.model_copy(update={"problems": (*report.problems, *filter(None, told))})
    except Exception as error:
        if pager is not None and not order.dry_run:
            await page_failure(pager, control, error)
        raise
    finally:
        await registry.close()
        await tickets.close()
        if pager is not None:
            await pager.close()


async def _last_word(tickets: JiraTickets, settings: Settings, keys: Keys) -> SweepWord | None:
    """None where it cannot be read: the run finds that out by itself, and tells."""
    try:
        return await read_word(tickets, settings.control_ticket, keys.trusted)
    except VendorError:
        return None


async def _write_word(tickets: JiraTickets, settings: Settings, keys: Keys, report: SweepReport) -> list[str]:
    """Why the control ticket does not bear all that it should, if so."""
    if keys.scribe is None or keys.witness is None:
        return ["keys.scribe or keys.witness is not set: removals are told in comments only, and no run is proved"]
    try:
        await write_word(tickets, settings.control_ticket, keys.trusted, keys.scribe, report)
    except VendorError as error:
        return [f"{settings.control_ticket.key} does not say that this run was made: {error}"]
    return []
