"""The reference pages say what the code says."""

from pathlib import Path

import pytest

from telemetry.reference import PAGES

DOCS = Path(__file__).parent.parent / "docs"


@pytest.mark.parametrize("name", PAGES)
def test_a_generated_page_is_up_to_date(name):
    assert (DOCS / name).read_text() == PAGES[name](), f"run `python -m telemetry.reference` to write docs/{name} anew"
