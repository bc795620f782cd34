"""Atlassian Document Format: judged on the way in, shown as HTML or plain text on the way out.

Every piece of text is escaped and every link restricted to web and mail addresses; an unknown node shows its content.
"""

from typing import Any

from markupsafe import Markup

MAX_TEXT = 32_767
MAX_DEPTH = 60
LINK_SCHEMES = {"http", "https", "mailto"}
BLOCKS = {
    "paragraph": Markup("<p>{}</p>"),
    "bulletList": Markup("<ul>{}</ul>"),
    "orderedList": Markup("<ol>{}</ol>"),
    "listItem": Markup("<li>{}</li>"),
    "codeBlock": Markup("<pre><code>{}</code></pre>"),
    "blockquote": Markup("<blockquote>{}</blockquote>"),
    "panel": Markup('<div class="panel">{}</div>'),
    "table": Markup('<div class="scroll"><table>{}</table></div>'),
    "tableRow": Markup("<tr>{}</tr>"),
    "tableHeader": Markup("<th>{}</th>"),
    "tableCell": Markup("<td>{}</td>"),
}
MARKS = {
    "strong": Markup("<strong>{}</strong>"),
    "em": Markup("<em>{}</em>"),
    "code": Markup("<code>{}</code>"),
    "strike": Markup("<s>{}</s>"),
    "underline": Markup("<u>{}</u>"),
}
LABELLED = {"mention": "text", "emoji": "shortName", "status": "text", "date": "timestamp", "inlineCard": "url"}
ENDS_A_LINE = {"paragraph", "heading", "codeBlock", "listItem", "tableRow", "rule", "hardBreak"}


def problem(document: Any) -> str | None:
    """Why this is no document that Jira accepts, or None; a plain string (version 2 of the API) is none."""
    if not isinstance(document, dict):
        return "Operation value must be an Atlassian Document (see the Atlassian Document Format)"
    if document.get("type") != "doc" or document.get("version") != 1 or not isinstance(document.get("content"), list):
        return "INVALID_INPUT: a document has type 'doc', version 1 and a list of content"
    if not all(_well_formed(node) for node in document["content"]):
        return "INVALID_INPUT: every node needs a type, and every text node a text that is not empty"
    if len(to_text(document)) > MAX_TEXT:
        return "The entered text is too long. It exceeds the allowed limit of 32,767 characters."
    return None


def from_text(text: str) -> dict[str, Any]:
    """A document with one paragraph a line, as the comment box makes it."""
    lines = [line for line in text.splitlines() if line.strip()]
    content = [{"type": "paragraph", "content": [{"type": "text", "text": line}]} for line in lines]
    return {"type": "doc", "version": 1, "content": content}


def to_text(node: dict[str, Any]) -> str:
    """The words alone, a line for each block: what changelogs and webhook bodies carry."""
    return _text(node).strip("\n")


def to_html(node: dict[str, Any]) -> Markup:
    kind = node["type"]
    if kind == "text":
        return _marked(node)
    if kind in LABELLED:
        return Markup('<span class="chip">{}</span>').format(_label(node))
    if kind == "hardBreak":
        return Markup("<br>")
    if kind == "rule":
        return Markup("<hr>")
    inner = Markup("").join(to_html(child) for child in node.get("content", ()))
    if kind == "heading":
        return Markup('<p class="heading">{}</p>').format(inner)
    return BLOCKS.get(kind, Markup("<div>{}</div>")).format(inner)


def _well_formed(node: Any, depth: int = 1) -> bool:
    if depth > MAX_DEPTH or not isinstance(node, dict) or not isinstance(node.get("type"), str):
        return False
    if node["type"] == "text" and not (isinstance(node.get("text"), str) and node["text"]):
        return False
    children, attributes, marks = node.get("content", []), node.get("attrs", {}), node.get("marks", [])
    if not (isinstance(children, list) and isinstance(attributes, dict) and isinstance(marks, list)):
        return False
    return all(isinstance(mark, dict) for mark in marks) and all(_well_formed(child, depth + 1) for child in children)


def _text(node: dict[str, Any]) -> str:
    own = str(node.get("text", "")) or (_label(node) if node["type"] in LABELLED else "")
    inner = own + "".join(_text(child) for child in node.get("content", ()))
    return inner.rstrip("\n") + "\n" if node["type"] in ENDS_A_LINE else inner


def _label(node: dict[str, Any]) -> str:
    return str(node.get("attrs", {}).get(LABELLED[node["type"]], ""))


def _marked(node: dict[str, Any]) -> Markup:
    shown = Markup("{}").format(node["text"])
    for mark in node.get("marks", ()):
        attributes = mark.get("attrs") or {}
        address = str(attributes.get("href", "")) if isinstance(attributes, dict) else ""
        if mark.get("type") == "link" and address.partition(":")[0].lower() in LINK_SCHEMES:
            shown = Markup('<a href="{}" rel="noreferrer noopener">{}</a>').format(address, shown)
        else:
            shown = MARKS.get(str(mark.get("type")), Markup("{}")).format(shown)
    return shown
