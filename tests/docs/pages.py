"""The written pages, their code blocks, headings and links."""

from __future__ import annotations

import itertools
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt

ROOT = Path(__file__).resolve().parents[2]
_MARKDOWN = MarkdownIt("commonmark").enable("table")
_COMMENT = re.compile(r"\s+#\s.*$")


def written_pages() -> list[Path]:
    """Every page that a person wrote: the docs, and what stands at the top of the repository."""
    top = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]
    return [*top, *sorted((ROOT / "docs").rglob("*.md"))]


def name_of(page: Path) -> str:
    """The page relative to the repository, for a test's name."""
    return page.relative_to(ROOT).as_posix()


@dataclass(frozen=True)
class Block:
    """A code block: its language ('' for an indented one), what stands after it in the fence, and its text."""

    page: Path
    line: int
    language: str
    info: str
    text: str

    def __str__(self) -> str:
        return f"{name_of(self.page)}:{self.line}"


def blocks(page: Path, *languages: str) -> list[Block]:
    """The page's code blocks of these languages, all of them for none; those inside of lists too."""
    found = []
    for token in _MARKDOWN.parse(page.read_text(encoding="utf-8")):
        if token.type in {"fence", "code_block"}:
            language, _, info = token.info.partition(" ")
            line = (token.map or [0])[0] + 1
            found.append(Block(page, line, language, info.strip(), token.content))
    return [block for block in found if not languages or block.language in languages]


def all_blocks(*languages: str) -> list[Block]:
    """Those of every written page."""
    return [block for page in written_pages() for block in blocks(page, *languages)]


def command_lines(block: Block) -> Iterator[list[str]]:
    """The words of every ``medbench`` command in a shell block: continued lines joined, comments and pipes left out."""
    joined = block.text.replace("\\\n", " ")
    for line in joined.splitlines():
        for part in re.split(r"&&|\|\||[|;]", _COMMENT.sub("", line.strip())):
            try:
                words = shlex.split(part.split(">")[0].rstrip("& "))
            except ValueError:
                continue
            while words and re.fullmatch(r"[A-Z_]+=\S*", words[0]):
                words = words[1:]
            if words and words[0].rpartition("/")[2] == "medbench":
                yield words[1:]


def inline_links(page: Path) -> Iterator[tuple[int, str]]:
    """(line, target) of every link and picture of a page."""
    return markdown_links(page.read_text(encoding="utf-8"))


def markdown_links(text: str) -> Iterator[tuple[int, str]]:
    """As `inline_links`, of a page's text."""
    for token in _MARKDOWN.parse(text):
        for child in token.children or ():
            target = child.attrGet("href") or child.attrGet("src")
            if target:
                yield (token.map or [0])[0] + 1, str(target)


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as the site makes them."""
    return markdown_anchors(page.read_text(encoding="utf-8"))


def markdown_anchors(text: str) -> set[str]:
    """As `anchors`, of a page's text."""
    found: set[str] = set()
    tokens = _MARKDOWN.parse(text)
    for before, token in itertools.pairwise(tokens):
        if before.type == "heading_open":
            plain = "".join(one.content for one in token.children or () if one.type in {"text", "code_inline"})
            found.add(re.sub(r"[\s-]+", "-", re.sub(r"[^\w\s-]", "", plain).strip().lower()))
    return found
