"""Comments as documents: what people wrote is read in full, what we write stays text."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.integrations.jira_adf import MAX_DEPTH, from_text, to_text
from domain.errors import MalformedError

LINES = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=20)
PARAGRAPHS = st.lists(LINES, min_size=1, max_size=3).map("\n".join)


def doc(*content: Any) -> dict[str, Any]:
    return {"type": "doc", "version": 1, "content": list(content)}


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


def node(kind: str, *content: Any, **attrs: Any) -> dict[str, Any]:
    return {"type": kind, "content": list(content), "attrs": attrs}


@given(st.lists(PARAGRAPHS, max_size=4))
def test_text_comes_back_as_it_went(paragraphs: list[str]) -> None:
    """Whatever it looks like, markup of other systems included, it is read as it was written."""
    written = "\n\n".join(paragraphs)
    assert to_text(from_text(written, "rec-1")) == "\n\n".join([*paragraphs, "rec-1"])


def test_marker_stands_in_a_paragraph_of_its_own_in_code_type() -> None:
    """People see what refers to the machine's record."""
    last = from_text("text", "rec-1")["content"][-1]
    assert last == {"type": "paragraph", "content": [text("rec-1") | {"marks": [{"type": "code"}]}]}


def test_every_word_of_a_document_is_read() -> None:
    """Mentions, links, lists, tables and kinds that are unknown here lose no word."""
    document = doc(
        node("paragraph", text("/extend "), text("30m"), node("hardBreak"), node("mention", text="@bob", id="1")),
        node("bulletList", node("listItem", node("paragraph", text("one"))), node("listItem", text("two"))),
        node("table", node("tableRow", node("tableCell", text("a")), node("tableCell", text(" b")))),
        node("inlineCard", url="https://example.com/"),
        node("somethingNew", node("evenNewer", text("kept")), text=" too"),
        node("rule"),
        node("paragraph"),
    )
    assert to_text(document) == "/extend 30m\n@bob\n\none\ntwo\n\na b\n\nhttps://example.com/\n\n tookept"


@pytest.mark.parametrize(
    "body",
    [None, "a string", [], {"type": "paragraph"}, doc("a string"), doc({"type": "paragraph", "content": "text"})],
)
def test_what_is_no_document_is_malformed(body: Any) -> None:
    """The plain text of the API's second version is not taken for a comment."""
    with pytest.raises(MalformedError):
        to_text(body)


def test_document_nested_to_exhaust_the_stack_is_malformed() -> None:
    """It fails as a reading, not as a process."""
    nested = text("deep")
    for _ in range(MAX_DEPTH + 1):
        nested = node("blockquote", nested)
    with pytest.raises(MalformedError):
        to_text(doc(nested))
