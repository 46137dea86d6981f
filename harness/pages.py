"""Pages: the templates that they are made from, and how they are written."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

TEMPLATES: Final = Path(__file__).resolve().parent / "templates"


def _code(text: str) -> Markup:
    """Words with `code` in them, for HTML."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(Markup.escape(text))))


def cell(text: str) -> str:
    """Words for a cell of a Markdown table."""
    return text.replace("|", "\\|").replace("\n", " ")


def templates() -> Environment:
    """The templates of pages: `code` shows what stands in `back quotes`, `cell` fits words into a Markdown table."""
    environment = Environment(loader=FileSystemLoader(TEMPLATES), undefined=StrictUndefined, trim_blocks=True,
                              lstrip_blocks=True, keep_trailing_newline=True,
                              autoescape=lambda name: name is not None and name.endswith(".html"))
    environment.filters |= {"code": _code, "cell": cell}
    return environment


def write_pages(out_dir: Path, pages: Mapping[str, str]) -> None:
    """Write pages by their names; each appears whole or not at all. Raises OSError."""
    for name, content in pages.items():
        part = out_dir / f"{name}.part"
        part.write_text(content, encoding="utf-8")
        part.replace(out_dir / name)
