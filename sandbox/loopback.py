"""HTTP on this machine, for stand-ins and tests: it takes nothing from the environment, and could trust no server on the net."""

import ssl
from typing import Any

import httpx

NO_AUTHORITIES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Reading the machine's certificate authorities, which no plain call needs, would cost each client more than its calls."""


def loopback_client(**options: Any) -> httpx.AsyncClient:
    """A client for `http://127.0.0.1`; `options` are those of `httpx.AsyncClient`."""
    return httpx.AsyncClient(trust_env=False, verify=NO_AUTHORITIES, **options)
