"""What the documentation takes from outside `docs`: README, the tutorial, files that are linked.

The pages are written to be read in a checkout as well; so their links to other files of the
project are turned here into links within the site, which has copies of these files.
"""

from __future__ import annotations

import json
import posixpath
import re
from pathlib import Path
from typing import TYPE_CHECKING

from mkdocs.structure.files import File, Files

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).parent.parent
PAGES = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "docs/tutorial.ipynb": "tutorial.md",
}
"""Pages of the site that are no Markdown files of `docs`."""
DIRECTORIES = {"docs/decisions": "decisions/README.md"}
COPIES = "project"
"""The directory of the site with copies of other files of the project that are linked."""
LINK = re.compile(r"(?<=\]\()(?!https?:|#)([^)#\s]+)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages from outside, and whatever file of the project a page links."""
    for source, page in PAGES.items():
        files.append(File.generated(config, page, content=_markdown(ROOT / source)))
    for path in sorted({path for page in _sources() for path in _outside(page)}):
        files.append(File.generated(config, f"{COPIES}/{path}", abs_src_path=str(ROOT / path)))
    return files


def on_page_markdown(markdown: str, *, page: Page, **_: object) -> str:
    """Turn links to files of the project into links within the site."""
    uri = page.file.src_uri
    source = _source_of(uri)
    return LINK.sub(lambda link: _within_site(link[1], source, uri), markdown)


def _sources() -> list[str]:
    """Return every page, as a path in the project."""
    return [*PAGES, *(str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.md"))]


def _source_of(uri: str) -> str:
    pages = {page: source for source, page in PAGES.items()}
    return pages.get(uri, f"docs/{uri}")


def _outside(source: str) -> set[str]:
    """Return the files of the project that a page links and that are no pages."""
    targets = {_target(link, source) for link in LINK.findall(_markdown(ROOT / source))}
    return {path for path in targets if (ROOT / path).is_file() and _page_of(path) is None}


def _target(link: str, source: str) -> str:
    """Return where a link of a page leads, as a path in the project."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(source), link))


def _page_of(path: str) -> str | None:
    """Return the page that shows a file of the project."""
    if path in PAGES or path in DIRECTORIES:
        return PAGES.get(path) or DIRECTORIES[path]
    inside = path.startswith("docs/") and path.endswith(".md")
    return path.removeprefix("docs/") if inside else None


def _within_site(link: str, source: str, uri: str) -> str:
    path = _target(link, source)
    page = _page_of(path) or f"{COPIES}/{path}"
    return posixpath.relpath(page, posixpath.dirname(uri) or ".")


def _markdown(path: Path) -> str:
    """Return the text of a page; of a notebook its texts and its code, without outputs."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".ipynb":
        return text
    return "\n\n".join(_cell(cell) for cell in json.loads(text)["cells"])


def _cell(cell: dict[str, object]) -> str:
    lines = cell["source"]
    text = "".join(lines) if isinstance(lines, list) else str(lines)
    return text if cell["cell_type"] == "markdown" else f"```python\n{text}\n```"
