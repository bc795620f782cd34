"""The one data-converter factory: JSON by pydantic, and the place where a payload codec is switched on."""

import dataclasses

from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.converter import DataConverter, PayloadCodec


def data_converter(codec: PayloadCodec | None = None) -> DataConverter:
    """The converter of every client, worker, replayer and test. `codec` encrypts payloads; ids and search attributes stay plain."""
    return dataclasses.replace(pydantic_data_converter, payload_codec=codec)
