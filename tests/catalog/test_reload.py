"""A changed file is taken whole or not at all, while everything runs."""

import asyncio
import os
from contextlib import suppress
from pathlib import Path

import pytest
import structlog

from telemetry.catalog import Catalog
from telemetry.catalog.catalog import Result
from telemetry.errors import ConfigError

ONE = "services: [{name: one, hosts: [a.example], addresses: [10.0.0.0/8]}]"
TWO = "services: [{name: two, hosts: [a.example]}]"


class Results(list[Result]):
    """What readings came to."""

    def __call__(self, result: Result) -> None:
        self.append(result)


def name(catalog: Catalog) -> str | None:
    found = catalog.service_of_host("a.example")
    return found.name if found else None


def looks(catalog: Catalog, times: int = 2) -> None:
    for _ in range(times):
        catalog.poll()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "services.yaml"
    path.write_text(ONE)
    return path


def test_a_changed_file_takes_the_old_ones_place(file: Path) -> None:
    results = Results()
    catalog = Catalog(file, results)
    looks(catalog)
    assert (name(catalog), catalog.generation, results) == ("one", 0, [])
    file.write_text(TWO)
    looks(catalog)
    assert (name(catalog), catalog.generation, results) == ("two", 1, ["changed"])
    assert catalog.workload_of_address("10.0.0.1") is None


def test_a_file_with_faults_changes_nothing_and_all_its_faults_are_logged_once(file: Path) -> None:
    results = Results()
    catalog = Catalog(file, results)
    file.write_text("services: [{nam: x}, {name: y, tier: z}]")
    with structlog.testing.capture_logs() as logs:
        looks(catalog, 50)
    assert (name(catalog), catalog.generation, results) == ("one", 0, ["refused"])
    (line,) = logs
    assert [fault.partition(": ")[2] for fault in line["faults"]] == [
        "services[0].name: is missing",
        "services[0].nam: is not a key that is known here (did you mean name?)",
        "services[1].tier: must be a whole number, such as 1000, not 'z'",
    ]
    file.write_text(TWO)
    looks(catalog)
    assert (name(catalog), results) == ("two", ["refused", "changed"])


def test_a_file_that_is_still_being_written_is_left_alone(file: Path) -> None:
    results = Results()
    catalog = Catalog(file, results)
    for end in range(10, len(TWO)):
        file.write_text(TWO[:end])
        catalog.poll()
    file.write_text(TWO)
    looks(catalog)
    assert results == ["changed"]


def test_a_file_that_is_touched_or_written_anew_with_the_same_words_is_no_change(file: Path) -> None:
    results = Results()
    catalog = Catalog(file, results)
    os.utime(file, ns=(1, 1))
    looks(catalog)
    assert (catalog.generation, results) == (0, ["same"])


def test_a_swapped_link_is_seen_as_kubernetes_swaps_mounted_files(tmp_path: Path) -> None:
    for folder, text in (("1", ONE), ("2", TWO)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "services.yaml").write_text(text)
    (tmp_path / "data").symlink_to("1")
    catalog = Catalog(tmp_path / "data" / "services.yaml")
    (tmp_path / "new").symlink_to("2")
    (tmp_path / "new").rename(tmp_path / "data")
    looks(catalog)
    assert name(catalog) == "two"


def test_a_file_that_goes_away_leaves_what_was_known(file: Path) -> None:
    results = Results()
    catalog = Catalog(file, results)
    file.unlink()
    looks(catalog)
    assert (name(catalog), results) == ("one", ["refused"])
    file.write_text(ONE)
    looks(catalog)
    assert results == ["refused", "same"]


def test_a_changed_openapi_document_makes_a_new_state(file: Path) -> None:
    document = file.parent / "a.openapi.yaml"
    document.write_text("openapi: 3.1.0")
    file.write_text("services: [{name: one, openapi: a.openapi.yaml}]")
    catalog = Catalog(file)
    document.write_text("openapi: 3.1.1")
    looks(catalog)
    assert catalog.generation == 1


def test_a_refused_file_is_taken_once_the_document_it_names_is_there(file: Path) -> None:
    results = Results()
    catalog = Catalog(file, results)
    file.write_text("services: [{name: two, hosts: [a.example], openapi: late.yaml}]")
    looks(catalog)
    assert results == ["refused"]
    (file.parent / "late.yaml").write_text("openapi: 3.1.0")
    looks(catalog, 20)
    assert (name(catalog), results) == ("two", ["refused", "changed"])


def test_a_file_with_faults_is_refused_at_the_start(file: Path) -> None:
    file.write_text("services: [{}]")
    with pytest.raises(ConfigError, match=r"services\[0\].name: is missing"):
        Catalog(file)


def test_without_a_file_there_are_no_services(tmp_path: Path) -> None:
    catalog = Catalog(None)
    looks(catalog)
    assert catalog.services == ()
    assert catalog.service_of_host("a.example") is None


async def test_it_looks_by_itself_while_it_runs(file: Path) -> None:
    catalog = Catalog(file)
    task = asyncio.create_task(catalog.run(interval_s=0.005))
    await asyncio.to_thread(file.write_text, TWO)
    async with asyncio.timeout(10):
        while name(catalog) != "two":
            await asyncio.sleep(0.005)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
