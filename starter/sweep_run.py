"""A sweep with the parts that the settings name: composition, and what is said when it is done."""

from collections.abc import Callable

from activities.catalogue_files import CatalogueFolder
from activities.integrations.jira_tickets import JiraTickets
from activities.integrations.webhook_pager import WebhookPager
from activities.registry import Registry, load_keys
from activities.settings import Settings
from domain.errors import InvalidInputError, VendorError
from domain.sweep import SweepOrder, SweepReport
from starter.sweep import Sweep
from starter.sweep_word import page_for, write_word


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
        sweep = Sweep(
            order,
            tickets=tickets,
            providers=registry,
            catalogues=catalogues,
            control=control,
            keys=keys,
            tell=tell,
        )
        report = await sweep.run()
        if order.dry_run:
            return report
        told = []
        if keys.scribe is None or keys.witness is None:
            told.append(
                "keys.scribe or keys.witness is not set: removals are told in comments only, and no run is proved"
            )
        if keys.scribe is not None:
            try:
                await write_word(tickets, control, keys.trusted, keys.scribe, report)
            except VendorError as error:
                told.append(f"{control.key} does not say that this run was made: {error}")
        if pager is not None:
            told.append(await page_for(pager, control, report))
        return report.model_copy(update={"problems": (*report.problems, *filter(None, told))})
    finally:
        await registry.close()
        await tickets.close()
        if pager is not None:
            await pager.close()
