"""One Envoy full of traps for each module that asks for it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

pytest.register_assert_rewrite("tests.real.traps.truth", "tests.real.traps.world")

from tests.real.traps.world import Traps, running_traps  # noqa: E402


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def traps(envoy_binary: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Traps]:
    async with running_traps(tmp_path_factory.mktemp("traps"), envoy_binary) as running:
        yield running
