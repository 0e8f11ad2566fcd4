"""What `from napari_unet_nuclei import …` offers, and that it is all the documentation teaches."""

from __future__ import annotations

import ast
import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import napari_unet_nuclei

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
NAMES = [name for name in napari_unet_nuclei.__all__ if name != "__version__"]


def snippets(page: Path) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


API_SNIPPETS = snippets(ROOT / "docs" / "api.md")


def imports_of(code: str) -> Iterator[tuple[str, str]]:
    """Yield (module, name) of everything of this package that a piece of Python imports."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("napari_unet_nuclei"):
            yield from ((str(node.module), alias.name) for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names if alias.name.startswith("napari_unet_nuclei"))


def test_every_public_name_resolves():
    assert all(getattr(napari_unet_nuclei, name) is not None for name in napari_unet_nuclei.__all__)


def test_names_homes_and_the_imports_for_type_checkers_agree():
    tree = ast.parse(Path(napari_unet_nuclei.__file__).read_text(encoding="utf-8"))
    [checked] = [node for node in tree.body if isinstance(node, ast.If)]
    imported = {
        alias.name: str(node.module).removeprefix("napari_unet_nuclei.")
        for node in checked.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert imported == napari_unet_nuclei._HOMES
    assert sorted(NAMES) == sorted(napari_unet_nuclei._HOMES)


def test_completion_offers_the_public_names():
    assert set(napari_unet_nuclei.__all__) <= set(dir(napari_unet_nuclei))


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="segmentt"):
        napari_unet_nuclei.segmentt  # noqa: B018


@pytest.mark.parametrize("page", [*PAGES, *sorted((ROOT / "examples").glob("*.py"))], ids=lambda page: page.name)
def test_pages_and_examples_teach_the_root_alone(page):
    for code in snippets(page) if page.suffix == ".md" else [page.read_text(encoding="utf-8")]:
        for module, name in imports_of(code):
            assert module == "napari_unet_nuclei", code
            assert name in napari_unet_nuclei.__all__, code
    assert "napari_unet_nuclei.core." not in page.read_text(encoding="utf-8")


def test_every_public_name_has_an_entry_with_an_example():
    page = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    entries = re.findall(r"^\.\. auto\w+:: napari_unet_nuclei\.(\w+)$", page, re.MULTILINE)
    assert sorted(entries) == sorted(NAMES)
    used = {node.id for code in API_SNIPPETS for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Name)}
    assert [
        name for name in NAMES if name not in used and ">>> " not in (getattr(napari_unet_nuclei, name).__doc__ or "")
    ] == []


def test_the_examples_of_the_reference_run_in_one_session(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    session: dict[str, object] = {"__name__": "__main__"}
    for code in API_SNIPPETS:
        if "to_anndata" in code and importlib.util.find_spec("anndata") is None:
            continue  # an extra that the tests go without on Python 3.11: it holds pandas back there
        exec(compile(code, "docs/api.md", "exec"), session)
