"""`llms.txt` by the convention of llmstxt.org, and all pages in one file beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from codegen.site.markdown import sentence_of, title_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["entries_of", "write_llms"]

_FROM_DOCSTRINGS: Final = "\n::: "


def write_llms(work: Path, project: dict[str, Any]) -> None:
    """Write `llms.txt`, `llms-full.txt` and each page's Markdown into the site.

    Args:
        work: the folder with `pages` and `site`.
        project: the configuration.
    """
    pages, site = work / "pages", work / "site"
    lines = [f"# {project['site_name']}", "", f"> {project['site_description']}", ""]
    whole = list(lines)
    for section in project["nav"]:
        ((name, entries),) = section.items()
        lines += [f"## {name}", ""]
        for title, page in entries_of(entries):
            text = (pages / page).read_text(encoding="utf-8")
            about = sentence_of(text)
            has_source = _FROM_DOCSTRINGS not in text
            target = page if has_source else f"{page.removesuffix('.md')}.html"
            lines.append(f"- [{title or title_of(text)}]({target})" + (f": {about}" if about else ""))
            if has_source:
                (site / page).write_text(text, encoding="utf-8")
                whole += [text.rstrip(), ""]
        lines.append("")
    (site / "llms.txt").write_text("\n".join(lines), encoding="utf-8")
    (site / "llms-full.txt").write_text("\n".join(whole), encoding="utf-8")


def entries_of(entries: list[Any]) -> Iterator[tuple[str, str]]:
    """The pages that a part of the navigation names, each with its title there; empty where it has none."""
    for entry in entries:
        if isinstance(entry, str):
            yield "", entry
            continue
        for title, value in entry.items():
            if isinstance(value, str):
                yield title, value
            else:
                yield from entries_of(value)
