"""Search attributes: what operators filter by."""

from domain import search


def test_registers_every_search_attribute_with_a_type() -> None:
    """What operators filter by exists in the namespace under exactly the name that is written."""
    names = {value for name, value in vars(search).items() if name.isupper() and isinstance(value, str)}
    assert set(search.KINDS) == names
    assert all(name.startswith("Nightlatch") for name in names)
