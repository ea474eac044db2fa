"""Finds out whether an audit is as it was written, and where it is not."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from telemetry.audit.chain import BATCH, SEAL, Link, digest, link_of, read_line
from telemetry.audit.checkpoint import Checkpoint, read_checkpoint
from telemetry.audit.files import HEAD, PUBLIC_KEY, SEALED, SUMS, Folder, number_of
from telemetry.audit.keys import Trusted

__all__ = ["Finding", "Report", "verified"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One place where the audit is not as it was written."""

    file: str
    message: str

    def __str__(self) -> str:
        return f"{self.file}: {self.message}"


@dataclass(slots=True)
class Report:
    """What was found. `head`: the last link's number and hash, to be noted elsewhere."""

    findings: list[Finding] = field(default_factory=list)
    files: int = 0
    links: int = 0
    rows: int = 0
    head: tuple[int, str] = (0, "")
    pruned_rows: int = 0
    writing: bool = False
    """A service is writing to the folder now."""

    @property
    def intact(self) -> bool:
        """Whether all is as it was written."""
        return not self.findings

    def find(self, file: str, message: str) -> None:
        """Note a finding."""
        self.findings.append(Finding(file, message))


def verified(folder: Folder, trusted: Trusted, noted: tuple[int, str] | None = None, *, copy: bool = False) -> Report:
    """Check everything: signatures, order, contents, the end. Raises OSError when the folder can't be read.

    `noted`: number and hash of a link that was once the head, noted elsewhere: shows when the end was cut off together
    with the head. `copy`: the folder holds copies of finished files, and has no head but `sealed`; else an audit whose
    head is gone is no whole one. While a service writes, what it has begun is no finding.
    """
    report = Report(writing=folder.locked)
    _Walk(folder, trusted, report, noted, copy=copy).walk()
    return report


class _Walk:
    """One walk along a chain; after a break it goes on from the next link, so that each break is told once."""

    def __init__(
        self, folder: Folder, trusted: Trusted, report: Report, noted: tuple[int, str] | None, *, copy: bool
    ) -> None:
        self._copy = copy
        self._folder = folder
        self._trusted = trusted
        self._report = report
        self._noted = noted
        self._number, self._previous, self._file_number = 0, "", 0
        self._hashes: dict[int, str] = {}

    def walk(self) -> None:
        head = self._noted_in(HEAD, "" if self._copy else "is missing: nothing shows whether the end is there")
        sealed = self._noted_in(SEALED, "is missing" if self._copy or self._folder.finished() else "")
        checkpoint = self._checkpoint()
        chains = self._folder.chains()
        self._number, self._previous = checkpoint.number, checkpoint.sha256
        self._file_number = checkpoint.file_number
        for name in chains:
            # Left over by a crash between checkpoint and removal.
            if number_of(name) > checkpoint.file_number:
                self._file(name, last=name == chains[-1])
        self._end(head, sealed)
        self._others(set(chains))
        self._report.head = (self._number, self._previous)

    def _file(self, name: str, *, last: bool) -> None:
        number = number_of(name)
        if number != self._file_number + 1:
            missing = f"{self._file_number + 1}" + (f" to {number - 1}" if number > self._file_number + 2 else "")
            self._report.find(name, f"before it, file number {missing} is missing")
        self._file_number = number
        self._report.files += 1
        content = (self._folder / f"{name}.chain").read_bytes()
        links = []
        for at, line in enumerate(content.splitlines(keepends=True), 1):
            link = self._line(name, at, line, torn=last and self._report.writing)
            if link is not None:
                links.append(link)
        self._content(name, links, last=last)

    def _line(self, name: str, at: int, line: bytes, *, torn: bool) -> Link | None:
        place = f"{name}.chain"
        if torn and not line.endswith(b"\n"):
            return None
        try:
            link = link_of(read_line(line, self._trusted))
        except ValueError as error:
            self._report.find(place, f"line {at} (link {self._number + 1}): {error}")
            # The next link names this one as it was.
            self._number, self._previous = self._number + 1, ""
            return None
        self._in_order(place, at, link)
        self._number, self._previous = link.number, digest(line)
        self._hashes[link.number] = self._previous
        self._report.links += 1
        if link.file != name:
            self._report.find(place, f"line {at}: belongs to {link.file}")
            return None
        return link

    def _in_order(self, place: str, at: int, link: Link) -> None:
        if link.number != self._number + 1:
            self._report.find(place, f"line {at}: is link {link.number}, where link {self._number + 1} should be")
        elif self._previous and link.previous != self._previous:
            self._report.find(place, f"line {at}: link {link.number} does not follow from the one before")

    def _content(self, name: str, links: list[Link], *, last: bool) -> None:
        seal = links[-1] if links and links[-1].kind == SEAL else None
        path = self._folder / name
        if seal is None and not last:
            self._report.find(f"{name}.chain", "its end is missing: the seal of the file")
        if not path.exists():
            path = self._folder / f"{name}.part"
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            self._report.find(name, "the file is missing")
            return
        batches = [link for link in links if link.kind == BATCH]
        self._report.rows += sum(link.rows for link in batches)
        sealed = seal is not None and path.suffix != ".part"
        if seal is not None and not (seal.size_bytes == len(content) and seal.sha256 == digest(content)):
            self._altered(path, content, batches, sealed=sealed)
        elif seal is None:
            self._batches(path, content, batches)

    def _altered(self, path: Path, content: bytes, batches: list[Link], *, sealed: bool) -> None:
        """Say where a sealed file differs, as closely as its form allows."""
        before = len(self._report.findings)
        if path.suffix != ".parquet" or not sealed:
            self._batches(path, content, batches)
        if len(self._report.findings) == before:
            first, last = (batches[0].number, batches[-1].number) if batches else (0, 0)
            self._report.find(path.name, f"was changed since it was finished; it holds links {first} to {last}")

    def _batches(self, path: Path, content: bytes, batches: list[Link]) -> None:
        end = line = 0
        for link in batches:
            piece = content[link.offset : link.offset + link.size_bytes]
            if len(piece) != link.size_bytes or digest(piece) != link.sha256:
                lines = f"lines {line + 1} to {line + link.rows}, " if ".jsonl" in path.name else ""
                where = f"{lines}bytes {link.offset} to {link.offset + link.size_bytes}"
                self._report.find(
                    path.name, f"link {link.number} ({where}): the records are not those that were written"
                )
            end, line = link.offset + link.size_bytes, line + link.rows
        if len(content) > end and not self._report.writing:
            hint = "inserted, or left by a crash: then the service removes them at its next start"
            self._report.find(path.name, f"{len(content) - end} bytes at the end were never signed ({hint})")

    def _checkpoint(self) -> Checkpoint:
        try:
            checkpoint = read_checkpoint(self._folder, self._trusted)
        except ValueError as error:
            self._report.find("checkpoint", str(error).partition(": ")[2])
            return Checkpoint()
        self._report.pruned_rows = checkpoint.pruned_rows
        return checkpoint

    def _noted_in(self, name: str, lack: str) -> tuple[int, str] | None:
        """Read a head. `lack`: what its absence means."""
        try:
            fields = read_line((self._folder / name).read_bytes(), self._trusted)
            if fields.get("what") != name:
                self._report.find(name, f"is the {fields.get('what')!r} of an audit")
                return None
            return int(fields["number"]), str(fields["sha256"])
        except FileNotFoundError:
            if lack:
                self._report.find(name, lack)
        except (ValueError, KeyError, TypeError) as error:
            self._report.find(name, str(error))
        return None

    def _end(self, head: tuple[int, str] | None, sealed: tuple[int, str] | None) -> None:
        """Compare the chain with what was noted of it: here and elsewhere."""
        for place, noted in ((HEAD, head), (SEALED, sealed), (HEAD, self._noted)):
            number, sha256 = noted or (0, "")
            if number > self._number:
                self._report.find(place, f"links {self._number + 1} to {number} are missing at the end")
            elif noted and self._hashes.get(number, sha256) != sha256:
                self._report.find(place, f"link {number} is another one than was noted")

    def _others(self, chains: set[str]) -> None:
        """Look at what no chain tells of."""
        for name in self._folder.strangers():
            if not (self._report.writing and name.endswith(".new")):
                self._report.find(name, "does not belong here")
        for name in set(self._folder.parts()) & set(self._folder.finished()):
            self._report.find(f"{name}.part", "does not belong here: the file is finished")
        for name in sorted({*self._folder.finished(), *self._folder.parts()} - chains):
            if not self._report.writing:
                self._report.find(name, "has no chain: its records were never signed, or its chain was removed")
        for place, fault in _sums_fault(self._folder):
            if not self._report.writing:
                self._report.find(place, fault)
        public = self._folder / PUBLIC_KEY
        if not public.exists() or public.read_bytes() not in self._trusted.pems():
            self._report.find(PUBLIC_KEY, "is not the public key that was given")


def _sums_fault(folder: Folder) -> Iterator[tuple[str, str]]:
    """Compare SHA256SUMS with the seals, which are what counts."""
    path = folder / SUMS
    sealed = {}
    for name in folder.chains():
        lines = (folder / f"{name}.chain").read_bytes().splitlines(keepends=True)
        try:
            link = link_of(read_line(lines[-1], None))
        except (ValueError, IndexError):
            continue
        if link.kind == SEAL:
            sealed[link.file] = link.sha256
    want = "".join(f"{sha256}  {name}\n" for name, sha256 in sealed.items()).encode()
    have = path.read_bytes() if path.exists() else b""
    if have != want:
        yield SUMS, "differs from the files' seals"
