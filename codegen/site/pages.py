"""The pages of the site: documents with links that are true in the site, and generated ones."""

from __future__ import annotations

import shutil
from pathlib import Path, PurePosixPath
from posixpath import normpath, relpath
from typing import Final

import attrs

from codegen.site.commands import commands
from codegen.site.diagram import figure_of
from codegen.site.markdown import fenced, map_links, map_titles, without_comments
from codegen.site.places import ASSETS, Unbuildable, page_of, seeds

__all__ = ["Pages", "write_pages"]

_LANGUAGES: Final = {".py": "python", ".toml": "toml", ".yaml": "yaml", ".yml": "yaml", ".json": "json"}
_ELSEWHERE: Final = ("http://", "https://", "mailto:")


@attrs.define
class Pages:
    """Pages and pictures, gathered from the seeds along their links.

    Attributes:
        root: the repository.
        texts: the text of each page, by its path in the site.
        assets: the file of each picture, by its path in the site.
    """

    root: Path
    texts: dict[PurePosixPath, str] = attrs.field(factory=dict)
    assets: dict[PurePosixPath, Path] = attrs.field(factory=dict)
    _waiting: list[PurePosixPath] = attrs.field(factory=list)

    def gather(self) -> None:
        """Read every document, and what is linked from it.

        Raises:
            Unbuildable: a link leads nowhere.
        """
        self._waiting = seeds(self.root)
        while self._waiting:
            self._take(self._waiting.pop())
        self.texts[PurePosixPath("reference/cli.md")] = commands()

    def _take(self, source: PurePosixPath) -> None:
        page = page_of(source)
        if page in self.texts or page in self.assets:
            return
        path = self.root / source
        if page.suffix in ASSETS:
            self.assets[page] = path
        elif source.suffix == ".md":
            self.texts[page] = self._document(source, page)
        else:
            self.texts[page] = self._shown(source, page)

    def _document(self, source: PurePosixPath, page: PurePosixPath) -> str:
        written = without_comments((self.root / source).read_text(encoding="utf-8"))
        text = fenced(written, "mermaid", figure_of)
        return map_titles(map_links(text, lambda target: self._link(target, source, page)))

    def _shown(self, source: PurePosixPath, page: PurePosixPath) -> str:
        path = self.root / source
        if path.is_dir():
            files = sorted(each for each in path.iterdir() if each.is_file())
            lines = [f"* [{each.name}]({self._link(each.name, source / 'x', page)})" for each in files]
            return "\n".join((f"# {source}/", "", *lines, ""))
        language = _LANGUAGES.get(source.suffix, "text")
        return f"# {source}\n\n````{language}\n{path.read_text(encoding='utf-8')}````\n"

    def _link(self, target: str, source: PurePosixPath, page: PurePosixPath) -> str:
        """The link in the site for one in the repository.

        Raises:
            Unbuildable: it leads nowhere.
        """
        if target.startswith((*_ELSEWHERE, "#")):
            return target
        name, mark, anchor = target.partition("#")
        there = PurePosixPath(normpath(source.parent / name))
        if ".." in there.parts or not (self.root / there).exists():
            raise Unbuildable(f"{source}: {target} does not exist")
        self._waiting.append(there)
        return f"{relpath(page_of(there), page.parent)}{mark}{anchor}"


def write_pages(pages: Pages, folder: Path) -> None:
    """Write pages and pictures into a folder."""
    for page, text in pages.texts.items():
        (folder / page).parent.mkdir(parents=True, exist_ok=True)
        (folder / page).write_text(text, encoding="utf-8")
    for page, path in pages.assets.items():
        (folder / page).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, folder / page)
