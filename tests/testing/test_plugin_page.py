"""The page that an author reads shows an adapter that runs, and others' plugins are found like ours."""

import textwrap
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict, Field

from telemetry import plugin
from telemetry.batch import Batch, Template
from telemetry.discovery import adapters, processors
from telemetry.testing import batch_of


def example() -> type:
    text = plugin.__doc__ or ""
    code = text[text.index("    class Printer") : text.index("\ndocs/adapters")]
    names = {
        "AbstractAsyncContextManager": AbstractAsyncContextManager, "BaseModel": BaseModel, "Batch": Batch,
        "ConfigDict": ConfigDict, "Field": Field, "Template": Template,
    }  # fmt: skip
    exec(textwrap.dedent(code), names)
    return names["Printer"]


async def test_the_example_of_the_page_runs(capsys: pytest.CaptureFixture[str]) -> None:
    made = example()
    async with made(made.Config(limit=2)) as adapter:
        await adapter.export(batch_of(Template.LOGENTRY, 5))
    assert "shape: (2, " in capsys.readouterr().out


def test_adapters_and_processors_are_found_by_their_entry_points(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = tmp_path / "theirs-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n")
    groups = "[telemetry.adapters]\ntheirs = nowhere:Adapter\n[telemetry.processors]\nshift = datetime:timedelta\n"
    (info / "entry_points.txt").write_text(groups)
    monkeypatch.syspath_prepend(tmp_path)
    assert {"theirs", "prometheus", "stdout"} <= set(adapters())
    assert list(processors()) == ["shift"]
    assert processors()["shift"].__name__ == "timedelta"
    with pytest.raises(ImportError):
        adapters()["theirs"]
