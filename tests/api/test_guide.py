"""The researcher's guide does what it says: its Python is run as it stands."""

import doctest
import re
import sys
from pathlib import Path

import pytest

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "guide-researcher.md"
_BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)


def test_the_guides_python_gives_what_the_guide_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    blocks = _BLOCK.findall(GUIDE.read_text())
    for block in blocks:
        magic, _, text = block.partition("\n")
        if magic.startswith("%%writefile "):
            Path(magic.split()[1]).write_text(text)
    cells = "\n".join(block for block in blocks if block.startswith(">>>"))
    test = doctest.DocTestParser().get_doctest(cells, {"__name__": "guide"}, GUIDE.name, str(GUIDE), 0)
    try:
        found = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test)
    finally:
        sys.modules.pop("my_trunk", None)
    assert found.failed == 0, capsys.readouterr().out
    assert found.attempted > 20


def test_the_guide_names_every_public_name_and_every_option_of_every_group() -> None:
    import reticent

    text = GUIDE.read_text()
    assert [name for name in reticent.__all__ if not re.search(rf"\b{name}\b", text)] == []
    options = [path for path in GUIDE.parents[1].glob("conf/*/*.yaml") if path.parent.name != "experiment"]
    assert [path.stem for path in options if f"`{path.stem}`" not in text] == []
