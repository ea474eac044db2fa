"""Whatever is done to an audit by one who has not the key is found, and where it was done is said."""

import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.audit.audits import Keys, check, keys_in, write_audit

# The lock has no content, and is made anew.
UNPROTECTED = {"lock"}
FORMS = ("jsonl", "parquet")


@pytest.fixture(scope="module")
def audits(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Keys]:
    folder = tmp_path_factory.mktemp("audits")
    keys = keys_in(folder)
    for form in FORMS:
        write_audit(folder / form, keys, form)
    return folder, keys


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.name not in UNPROTECTED)


def flip(path: Path, data: st.DataObject) -> None:
    content = bytearray(path.read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)


def truncate(path: Path, data: st.DataObject) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: data.draw(st.integers(0, len(content) - 1))])


def insert(path: Path, data: st.DataObject) -> None:
    content = path.read_bytes()
    at = data.draw(st.integers(0, len(content)))
    path.write_bytes(content[:at] + data.draw(st.binary(min_size=1, max_size=20)) + content[at:])


def drop(path: Path, _: st.DataObject) -> None:
    path.unlink()


def drop_line(path: Path, data: st.DataObject) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    del lines[data.draw(st.integers(0, len(lines) - 1))]
    path.write_bytes(b"".join(lines))


def repeat_line(path: Path, data: st.DataObject) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    line = data.draw(st.sampled_from(lines))
    lines.insert(data.draw(st.integers(0, len(lines))), line)
    path.write_bytes(b"".join(lines))


def swap_lines(path: Path, data: st.DataObject) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    at = data.draw(st.integers(0, len(lines) - 1))
    lines[at], lines[0] = lines[0], lines[at]
    path.write_bytes(b"".join(lines))


def swap_files(path: Path, data: st.DataObject) -> None:
    other = data.draw(st.sampled_from(files(path.parent)))
    one, two = path.read_bytes(), other.read_bytes()
    path.write_bytes(two)
    other.write_bytes(one)


def copy_file(path: Path, data: st.DataObject) -> None:
    shutil.copy(
        path,
        path.with_name(
            data.draw(st.sampled_from(["copy", f"{path.name}.part", "audit-0000000009-20231114T221320Z.jsonl"]))
        ),
    )


TAMPERINGS = (flip, truncate, insert, drop, drop_line, repeat_line, swap_lines, swap_files, copy_file)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in files(folder)}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("tamper", TAMPERINGS)
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_single_tampering_is_found_and_located(audits, tmp_path: Path, form: str, tamper, data) -> None:
    made, keys = audits
    folder = tmp_path / "audit"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(made / form, folder)
    before = contents(folder)
    path = data.draw(st.sampled_from(files(folder)), label="file")
    tamper(path, data)
    after = contents(folder)
    changed = {name for name in before | after if before.get(name) != after.get(name)}
    report = check(folder, keys)
    assert report.intact is (not changed)
    stems = {name.removesuffix(".chain").removesuffix(".part") for name in changed}
    places = {one.file.removesuffix(".chain").removesuffix(".part") for one in report.findings}
    # The end that is cut off shows at the head, a file that is gone at the one behind it.
    assert (
        not changed or places & {*stems, "head", "sealed"} or any("missing" in one.message for one in report.findings)
    )


@pytest.mark.parametrize("form", FORMS)
def test_an_audit_as_it_was_written_is_intact(audits, form: str) -> None:
    made, keys = audits
    report = check(made / form, keys)
    assert report.intact, report.findings
    assert (report.files, report.rows, report.links) == (4, 24, 11)


@pytest.mark.parametrize("form", FORMS)
def test_the_end_cut_off_together_with_the_head_shows_by_a_head_noted_elsewhere(
    audits, tmp_path: Path, form: str
) -> None:
    made, keys = audits
    noted = check(made / form, keys).head
    write_audit(tmp_path / "short", keys, form, files=2)
    assert check(tmp_path / "short", keys).intact
    assert "missing at the end" in str(check(tmp_path / "short", keys, noted).findings)


@pytest.mark.parametrize("form", FORMS)
def test_the_open_file_taken_away_and_the_seal_passed_off_as_the_head_is_found(
    audits, tmp_path: Path, form: str
) -> None:
    made, keys = audits
    folder = tmp_path / "audit"
    shutil.copytree(made / form, folder)
    for path in [*folder.glob("*.part"), max(folder.glob("*.chain"))]:
        path.unlink()
    shutil.copy(folder / "sealed", folder / "head")
    assert str(check(folder, keys).findings[0]) == "head: is the 'sealed' of an audit"
    (folder / "head").unlink()
    assert "is missing" in str(check(folder, keys).findings[0])


def test_another_key_convinces_nobody(audits, tmp_path: Path) -> None:
    made, keys = audits
    forger = keys_in(tmp_path)
    write_audit(tmp_path / "forged", forger)
    report = check(tmp_path / "forged", keys)
    assert any("public key was not given" in one.message for one in report.findings)
    assert report.rows == 0
    assert check(made / "jsonl", forger).rows == 0


def test_a_changed_record_is_located_to_its_lines(audits, tmp_path: Path) -> None:
    made, keys = audits
    folder = tmp_path / "audit"
    shutil.copytree(made / "jsonl", folder)
    path = sorted(folder.glob("*.jsonl"))[1]
    lines = path.read_bytes().splitlines(keepends=True)
    lines[4] = lines[4].replace(b'"POST"', b'"PUT!"')
    path.write_bytes(b"".join(lines))
    [one] = check(folder, keys).findings
    assert one.file == path.name
    assert "lines 4 to 6" in one.message
