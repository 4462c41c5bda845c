"""The book is held to the code: its byte tables are those of the sources, its links lead somewhere, its invariants name places that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from driver import REPOSITORY

BOOK = REPOSITORY / "docs" / "src"
PAGES = sorted(BOOK.rglob("*.md"))

# Pages whose byte tables stand in the code as well, word for word.
TABLES = {
    "formats/wal.md": ["engine/segment/src/wal.rs", "engine/segment/src/record.rs"],
    "formats/sst.md": ["engine/segment/src/sst/tail.rs", "engine/segment/src/sst/index.rs"],
    "formats/vector.md": ["engine/segment/src/vector.rs"],
    "formats/key-bytes.md": ["engine/segment/src/key.rs"],
}


def rows(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip().startswith("|") and not set(line.strip()) <= set("|- ")]


def module_docs(path: str) -> str:
    lines = (REPOSITORY / path).read_text().splitlines()
    return "\n".join(line.removeprefix("//!").strip() for line in lines if line.startswith("//!"))


@pytest.mark.parametrize("page", TABLES)
def test_byte_tables_are_those_of_the_code(page):
    book = rows((BOOK / page).read_text())
    for source in TABLES[page]:
        missing = [row for row in rows(module_docs(source)) if row not in book]
        assert not missing, f"{source} says what {page} does not: {missing}"


def test_summary_names_every_page():
    linked = set(re.findall(r"\(([^)]+\.md)\)", (BOOK / "SUMMARY.md").read_text()))
    assert linked == {str(page.relative_to(BOOK)) for page in PAGES} - {"SUMMARY.md"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(BOOK)))
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#\s]+)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), target
    readme = (REPOSITORY / "README.md").read_text()
    for target in re.findall(r"\]\(([^)#\s]+)", readme):
        assert "://" in target or (REPOSITORY / target).exists(), f"README: {target}"


def test_invariants_name_places_that_exist():
    """Each row's code site is `path` and `symbol`; each of its tests is `path` and a name found there."""
    found = 0
    for row in rows((BOOK / "architecture" / "invariants.md").read_text())[1:]:
        identifier, _, *places = [cell.strip() for cell in row.strip("|").split("|")]
        found += 1
        for cell in places:
            references = re.findall(r"`([\w/.-]+\.(?:rs|py))`:?\s*`?([\w:]*)`?", cell)
            assert references, f"{identifier}: {cell!r} names no place"
            for path, symbol in references:
                text = (REPOSITORY / path).read_text()
                assert not symbol or symbol.split("::")[-1] in text, f"{identifier}: {path} has no {symbol}"
    assert found >= 15


SQLSTATE = re.compile(r'"((?:[0-9]{2}|0A|2[258]P|3[DF]|XX|42P|25P|22P|57P)[0-9A-Z]{2,3})"')


def test_every_sqlstate_of_the_code_is_in_the_book():
    """Whatever five characters the engine or the command raises as a SQLSTATE, the table of errors names."""
    book = (BOOK / "guide" / "errors.md").read_text()
    missing = set()
    for source in [*(REPOSITORY / "engine" / "src").rglob("*.rs"), *(REPOSITORY / "gateway" / "src").rglob("*.rs")]:
        for line in source.read_text().split("#[cfg(test)]")[0].splitlines():
            if "tests" not in source.stem and re.search(r"Error::|fail\(|: &str = |sqlstate", line + " " if "//" not in line else ""):
                missing |= {f"{code} ({source.name})" for code in SQLSTATE.findall(line) if len(code) == 5 and code not in book}
    assert not missing, sorted(missing)


def test_every_json_field_of_the_manifest_is_in_the_book():
    book = (BOOK / "formats" / "manifest.md").read_text()
    source = (REPOSITORY / "manifest" / "src" / "model.rs").read_text()
    fields = set(re.findall(r"^    pub (\w+):", source, re.M)) - {"object"}
    missing = sorted(field for field in fields if f"`{field}`" not in book and f'"{field}"' not in book)
    assert not missing, missing
