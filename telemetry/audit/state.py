"""Where a chain is: its last link, and the file that is open."""

from dataclasses import dataclass, field

from telemetry.audit.chain import GENESIS, SEAL, Link

__all__ = ["State"]


@dataclass(slots=True)
class State:
    """`number` and `previous`: the last link's number and hash. `name`: the open file, empty when none is.

    `links`: the open file's. `chain_bytes`: how long its chain is. `unplaced`: sealed, and not yet under its name.
    """

    number: int = 0
    previous: str = GENESIS
    file_number: int = 0
    name: str = ""
    chain_bytes: int = 0
    links: list[Link] = field(default_factory=list)
    unplaced: str = ""

    @property
    def end(self) -> int:
        """Where the open file's last batch ends."""
        return self.links[-1].offset + self.links[-1].size_bytes if self.links else 0

    def follow(self, link: Link, sha256: str, line_bytes: int) -> None:
        """Go one link on."""
        self.number, self.previous = link.number, sha256
        if link.kind == SEAL:
            self.unplaced, self.name, self.chain_bytes = link.file, "", 0
            self.links.clear()
        else:
            self.chain_bytes += line_bytes
            self.links.append(link)
