"""The one way to Temporal: standard environment variables and TOML profiles, our data converter, a bounded wait."""

import asyncio
import atexit
import logging
import re
import time
from collections.abc import Sequence
from datetime import timedelta

from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, ListSearchAttributesRequest
from temporalio.client import Client, Interceptor, Plugin
from temporalio.converter import PayloadCodec
from temporalio.envconfig import ClientConfig, ClientConnectConfig
from temporalio.runtime import Runtime
from temporalio.service import RPCError

from activities.data_converter import data_converter
from domain.errors import InvalidInputError
from domain.search import KINDS

logger = logging.getLogger("nightlatch.connection")

DEFAULT_ADDRESS = "localhost:7233"
PATIENCE = timedelta(seconds=10)
OUTAGE = timedelta(minutes=1)
"""How long a process that serves waits for an engine that is away, before its supervisor starts it anew: a supervisor gives up
what ends at once some times in a row (systemd: five times in ten seconds), and the engine would come back to no worker."""
BETWEEN_TRIES = timedelta(seconds=1)
SETTLING = timedelta(milliseconds=100)
"""How long a process that has used the SDK waits at its end."""
_TYPES = {
    "Keyword": IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD,
    "KeywordList": IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD_LIST,
    "Datetime": IndexedValueType.INDEXED_VALUE_TYPE_DATETIME,
}


class TemporalUnreachableError(InvalidInputError):
    """Nobody answers at the address, or not in the way that was asked for."""


async def connect(
    *,
    codec: PayloadCodec | None = None,
    interceptors: Sequence[Interceptor] = (),
    plugins: Sequence[Plugin] = (),
    runtime: Runtime | None = None,
    patience: timedelta = PATIENCE,
) -> Client:
    """A client for the namespace that `TEMPORAL_ADDRESS`, `TEMPORAL_NAMESPACE`, ... or the profile `TEMPORAL_PROFILE` name.

    Raises:
        TemporalUnreachableError: nobody answers at the address within `patience`.
        InvalidInputError: the configuration cannot be used.
    """
    atexit.unregister(_settle)
    atexit.register(_settle)
    config = _configuration()
    address = config.setdefault("target_host", DEFAULT_ADDRESS)
    try:
        async with asyncio.timeout(patience.total_seconds()):
            return await Client.connect(
                **config,
                data_converter=data_converter(codec),
                interceptors=interceptors,
                plugins=plugins,
                runtime=runtime,
                connect_timeout=patience,
            )
    except TimeoutError as error:
        raise _unreachable(address, f"no answer within {patience.total_seconds():g} s") from error
    except (RuntimeError, ValueError, RPCError) as error:
        raise _unreachable(address, str(error)) from error


async def connect_for_service(*, outage: timedelta = OUTAGE) -> Client:
    """`connect` for a process that serves until it is stopped: tried again, and said each time, while nobody answers.

    Raises:
        TemporalUnreachableError: nobody answered for the length of `outage`.
        InvalidInputError: the configuration cannot be used.
    """
    until = time.monotonic() + outage.total_seconds()
    while True:
        try:
            return await connect()
        except TemporalUnreachableError as error:
            if time.monotonic() > until:
                raise
            logger.warning("%s (trying again)", error)
            await asyncio.sleep(BETWEEN_TRIES.total_seconds())


async def ensure_search_attributes(client: Client) -> None:
    """Register in the client's namespace what operators filter by. Safe to repeat.

    Raises:
        InvalidInputError: one exists with another type, or the namespace lets nobody register any this way.
    """
    try:
        listed = await client.operator_service.list_search_attributes(
            ListSearchAttributesRequest(namespace=client.namespace)
        )
        missing = {name: _TYPES[kind] for name, kind in KINDS.items() if name not in listed.custom_attributes}
        if missing:
            await client.operator_service.add_search_attributes(
                AddSearchAttributesRequest(namespace=client.namespace, search_attributes=missing)
            )
    except RPCError as error:
        raise InvalidInputError(
            f"the search attributes of namespace {client.namespace!r} cannot be registered: {error.message}; "
            f"let its administrator add {', '.join(f'{name} ({kind})' for name, kind in KINDS.items())}"
        ) from error
    for name, kind in KINDS.items():
        if listed.custom_attributes.get(name, _TYPES[kind]) != _TYPES[kind]:
            raise InvalidInputError(
                f"search attribute {name} of namespace {client.namespace!r} has another type than {kind}; "
                "remove it there, or use another namespace"
            )


def _settle() -> None:
    """The SDK's native threads may still hold an answer; an interpreter that goes away under them is aborted (SIGABRT)."""
    time.sleep(SETTLING.total_seconds())


def _configuration() -> ClientConnectConfig:
    try:
        return ClientConfig.load_client_connect_config()
    except (RuntimeError, ValueError, OSError) as error:
        raise InvalidInputError(
            f"the Temporal client configuration is not usable: {error}; see TEMPORAL_PROFILE and TEMPORAL_CONFIG_FILE"
        ) from error


def _unreachable(address: str, cause: str) -> InvalidInputError:
    """The cause as people read it. The SDK tells its own as nested structures of its core."""
    if "invalid target URL" in cause:
        return InvalidInputError(f"TEMPORAL_ADDRESS is {address!r}, which is no address: write <host>:<port>")
    told = re.findall(r'(?:message|error): "([^"]+)"', cause)
    remedy = "is it running there? TEMPORAL_ADDRESS says where; `nightlatch dev status` knows the embedded one"
    if "InvalidContentType" in cause or "Certificate" in cause or "InvalidMessage" in cause:
        told = ["the encryption of the connection does not fit"]
        remedy = "an API key switches TLS on; set TEMPORAL_TLS and TEMPORAL_TLS_... as the server has it"
    elif "PermissionDenied" in cause or "Unauthenticated" in cause:
        remedy = "check TEMPORAL_API_KEY and TEMPORAL_NAMESPACE"
    return TemporalUnreachableError(f"Temporal at {address} cannot be used: {told[-1] if told else cause}; {remedy}")
