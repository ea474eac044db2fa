"""A running world for each module that asks for one."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.real.world import World, running_world


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(
    envoy_binary: Path, prometheus_binary: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[World]:
    async with running_world(tmp_path_factory.mktemp("world")) as running:
        yield running
