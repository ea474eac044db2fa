"""What was measured, as tables in Markdown that read well in a terminal too."""

from collections.abc import Mapping, Sequence

from bench.idle import Idle
from bench.latency import Latency
from bench.variations import Measured

KIB, MIB = 2**10, 2**20


def machine(facts: Mapping[str, str]) -> str:
    return "\n".join(f"- {what}: {value}" for what, value in facts.items())


def throughput(replays: Mapping[str, Measured]) -> str:
    """Entries and what they cost. `counted` is how far istio_requests_total rose: it must equal `sent`."""
    head = (
        "replay",
        "sent",
        "received",
        "counted",
        "seconds",
        "entries/s",
        "CPU µs/entry",
        "entries/s per core",
        "h2load µs/entry",
    )
    return table(
        head,
        [
            (
                name,
                f"{run.sent:,}",
                f"{run.received:,}",
                f"{run.counted:,}",
                f"{run.seconds:.1f}",
                f"{run.received / run.seconds:,.0f}",
                f"{run.service_cpu_s / run.received * 1e6:.2f}",
                f"{run.received / run.service_cpu_s:,.0f}",
                f"{run.h2load_cpu_s / run.received * 1e6:.2f}",
            )
            for name, run in ((name, measured.replayed) for name, measured in replays.items())
        ],
    )


def stages(replays: Mapping[str, Measured]) -> str:
    """CPU per entry by stage, as the service times it; the rest is gRPC, the event loop, untimed things."""
    names = sorted({stage for measured in replays.values() for stage in measured.replayed.stages_s})
    rows = []
    for name, measured in replays.items():
        run = measured.replayed
        known_s = [run.stages_s.get(stage, 0.0) for stage in names]
        parts_s = [*known_s, run.service_cpu_s - sum(known_s)]
        rows.append((name, *(f"{seconds / run.received * 1e6:.2f}" for seconds in parts_s)))
    return table(("CPU µs/entry", *names, "the rest"), rows)


def memory(replays: Mapping[str, Measured]) -> str:
    """Resident memory of the service before, at most during, and after the replay; the page afterwards."""
    head = ("memory and page", "RSS idle MiB", "at load", "after", "samples", "page MiB", "scrape CPU s")
    return table(
        head,
        [
            (
                name,
                f"{measured.rss_idle_bytes / MIB:.0f}",
                f"{measured.replayed.rss_peak_bytes / MIB:.0f}",
                f"{measured.rss_after_bytes / MIB:.0f}",
                f"{measured.scraped.samples:,}",
                f"{measured.scraped.page_bytes / MIB:.1f}",
                f"{measured.scraped.cpu_s:.2f}",
            )
            for name, measured in replays.items()
        ],
    )


def idle(figures: Idle) -> str:
    head = ("idle streams", "RSS KiB each", "CPU % of a core, all together")
    return table(
        head,
        [
            (
                f"{figures.streams:,}",
                f"{figures.rss_bytes_per_stream / KIB:.1f}",
                f"{figures.cpu_ratio * 100:.1f}",
            )
        ],
    )


def latency(figures: Mapping[str, Latency]) -> str:
    head = ("received to visible", "samples", "p50 ms", "p99 ms", "max ms")
    return table(
        head,
        [
            (name, f"{it.samples}", f"{it.p50_ms:.0f}", f"{it.p99_ms:.0f}", f"{it.max_ms:.0f}")
            for name, it in figures.items()
        ],
    )


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Lay out a table: the first column to the left, figures to the right."""
    # No narrower than 2: the rule `-:` must fit.
    widths = [max(2, *(len(row[column]) for row in (head, *rows))) for column in range(len(head))]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    return "\n".join(_line(row, widths) for row in (head, rule, *rows))


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = zip(row, widths, strict=True)
    cells = [first[0].ljust(first[1]), *(text.rjust(width) for text, width in others)]
    return f"| {' | '.join(cells)} |"
