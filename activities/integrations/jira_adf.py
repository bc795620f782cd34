"""Atlassian Document Format: plain text of what people wrote, and documents for what Nightlatch says."""

from typing import Any

from domain.errors import MalformedError

MAX_DEPTH = 100
"""Jira's editor nests a few levels; deeper than this is no comment but an attempt to exhaust the stack."""

_LABELS = {"mention": "text", "emoji": "shortName", "status": "text", "date": "timestamp", "inlineCard": "url"}
_LINES = frozenset({"listItem", "tableRow", "taskItem", "decisionItem"})


def to_text(document: Any) -> str:
    """The words of a document: a blank line between blocks, a line for each hard break, list item and table row.

    A node of a kind unknown here contributes its text, so that no word is lost.

    Raises:
        MalformedError: `document` is no document; a plain string (version 2 of the API) is none.
    """
    if not isinstance(document, dict) or document.get("type") != "doc":
        raise MalformedError(
            f"a comment body is no Atlassian document but {type(document).__name__}; use API version 3"
        )
    blocks = (_text(node, 1).strip("\n") for node in _children(document))
    return "\n\n".join(block for block in blocks if block)


def from_text(text: str, marker: str) -> dict[str, Any]:
    """Paragraphs as separated by blank lines, and `marker` in code type as the last one. Text stays text: no markup."""
    paragraphs = [_paragraph(block) for block in text.split("\n\n") if block.strip()]
    reference = {"type": "paragraph", "content": [{"type": "text", "text": marker, "marks": [{"type": "code"}]}]}
    return {"type": "doc", "version": 1, "content": [*paragraphs, reference]}


def _paragraph(block: str) -> dict[str, Any]:
    content: list[dict[str, Any]] = []
    for line in block.strip("\n").split("\n"):
        if content:
            content.append({"type": "hardBreak"})
        if line:
            content.append({"type": "text", "text": line})
    return {"type": "paragraph", "content": content}


def _text(node: Any, depth: int) -> str:
    if not isinstance(node, dict) or depth > MAX_DEPTH:
        raise MalformedError(f"a comment body has a node that is no object, or is nested deeper than {MAX_DEPTH}")
    kind = node.get("type")
    if kind == "hardBreak":
        return "\n"
    inner = _own_text(node) + "".join(_text(child, depth + 1) for child in _children(node))
    return inner.rstrip("\n") + "\n" if kind in _LINES else inner


def _own_text(node: dict[str, Any]) -> str:
    attributes = node.get("attrs")
    label = attributes.get(_LABELS.get(str(node.get("type")), "text")) if isinstance(attributes, dict) else None
    own = node.get("text", label)
    return own if isinstance(own, str) else ""


def _children(node: dict[str, Any]) -> list[Any]:
    children = node.get("content", [])
    if not isinstance(children, list):
        raise MalformedError("a comment body has content that is no list")
    return children
