"""Which operation a request is, in order of trust: gRPC's own name, documents, rules, what was learned."""

from typing import Final

import numpy as np
import polars as pl

from telemetry.operations.asked import Asked
from telemetry.operations.memo import Memo, Numbers
from telemetry.operations.methods import METHODS, method_codes
from telemetry.operations.names import MAX_NAME, NONE, Names
from telemetry.operations.rules import Rules
from telemetry.operations.segments import clean, cut, mix
from telemetry.operations.services import Documents, Services
from telemetry.operations.settings import OperationsSettings
from telemetry.operations.shapes import WORD
from telemetry.operations.templates import METHOD_KEYS, Templates, firsts

__all__ = ["Deciding"]

# As gRPC's paths are; what is not written so is a path like others.
_GRPC: Final = r"\A/[A-Za-z_][A-Za-z0-9_.]*/[A-Za-z_][A-Za-z0-9_]*\z"
_BITS = 15


class Deciding:
    """Gives operations to requests as numbers into `names`; what it keeps is bounded.

    The same requests in the same order get the same operations, whatever `seed`.
    """

    def __init__(self, settings: OperationsSettings, documents: Documents, seed: int) -> None:
        self.names = Names()
        self._seed = seed
        self._rules = Rules(settings.rules, self.names)
        self.services = Services(settings, self._rules, self.names, documents, seed)
        self.templates = Templates(self.services)
        self._documented_memo = Memo(_BITS)

    def numbers(self, rows: pl.DataFrame) -> Numbers | None:
        """Give each row's operation, never NONE; None when a template has changed: `forget`, and ask again for all.

        Columns: context.protocol (http or grpc), destination.service.host, request.method, request.url_path (String).
        """
        asked = self._asked(rows)
        numbers = np.full(len(asked), NONE, np.uint32)
        left = np.arange(len(asked))
        for step in (self._grpc, self._documented, self._ruled, self._pathless, self.templates.numbers):
            if left.size:
                found = step(asked.take(left))
                if found is None:
                    return None
                if found.any():
                    numbers[left] = found
                    left = left[found == NONE]
        return numbers

    def forget(self) -> None:
        """Forget what was found so far, not what was learned."""
        self.templates.forget()

    def reload(self) -> None:
        """Ask for all documents again."""
        self._documented_memo.clear()
        self.services.reload()

    def _asked(self, rows: pl.DataFrame) -> Asked:
        protocols, hosts, methods, paths = rows.get_columns()
        hosts = hosts.fill_null("")
        cleaned = clean(paths)
        segments = cut(cleaned, self._seed)
        if paths.null_count():
            cleaned = cleaned.to_frame("path").select(pl.when(paths.is_not_null()).then("path")).to_series()
        return Asked(protocols, hosts, self.services.numbers(hosts), method_codes(methods), cleaned, segments)

    def _grpc(self, asked: Asked) -> Numbers:
        """Name `package.Service/Method` what has a path of that form, no part of it a value."""
        found = np.full(len(asked), NONE, np.uint32)
        rows = np.flatnonzero((asked.protocols == "grpc").fill_null(value=False).to_numpy())
        if rows.size:
            paths = asked.paths.gather(rows)
            form = paths.str.contains(_GRPC) & (paths.str.len_bytes() <= MAX_NAME)
            rows = rows[form.fill_null(value=False).to_numpy()]
        if rows.size:
            some = asked.take(rows)
            at = some.segments.starts
            words = (some.segments.kinds[at] == WORD) & (some.segments.kinds[at + 1] == WORD)
            names = some.paths.str.slice(1).to_list()
            pairs = zip(some.services.tolist(), names, words.tolist(), strict=True)
            found[rows] = [self.services[at].grants.grant(name) if word else NONE for at, name, word in pairs]
        return found

    def _documented(self, asked: Asked) -> Numbers:
        """Name what the service's OpenAPI document names."""
        found = np.full(len(asked), NONE, np.uint32)
        # Values are matched as what they are wherever the document allows that: few are left then to look at.
        for plain, services in ((True, self.services.plain), (False, self.services.mixed)):
            rows = np.flatnonzero(services[asked.services])
            if rows.size:
                found[rows] = self._matched(asked.take(rows), plain=plain)
        return found

    def _matched(self, asked: Asked, *, plain: bool) -> Numbers:
        roots = mix(self.services.roots[asked.services], METHOD_KEYS[asked.methods])
        hashes = (asked.segments if plain else asked.segments.unread(self._seed)).walk(roots)
        numbers, known = self._documented_memo.get(hashes)
        if not known.all():
            rows, places, left = firsts(hashes, ~known)
            found = np.array([self._match(asked, row) for row in rows], np.uint32)
            numbers[left] = found[places]
            self._documented_memo.put(hashes[rows], found)
        return numbers

    def _match(self, asked: Asked, row: int) -> int:
        document = self.services[asked.services[row]].document
        operation = document and document.match(METHODS[asked.methods[row]], asked.segments.raw(row))
        return self.names.number(operation.name) if operation else NONE

    def _ruled(self, asked: Asked) -> Numbers:
        """Name what the operator's rules name."""
        return self._rules.match(asked.hosts, asked.methods, asked.paths.fill_null(""))

    def _pathless(self, asked: Asked) -> Numbers:
        """Name by the method alone what has no path: CONNECT has none."""
        found = np.full(len(asked), NONE, np.uint32)
        rows = np.flatnonzero(asked.paths.is_null().to_numpy()) if asked.paths.null_count() else ()
        for row in rows:
            found[row] = self.services[asked.services[row]].grants.grant(METHODS[asked.methods[row]])
        return found
