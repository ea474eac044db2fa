"""Imports point one way: which module of the house may know which."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
HOUSE = ROOT / "telemetry"

# From the ground up. A room may import from lower floors and from itself, never from its own floor or above.
FLOORS = (
    {
        "attributes",
        "by_context",
        "columns",
        "descriptors",
        "ending",
        "errors",
        "exposition",
        "native",
        "node",
        "options",
        "printable",
        "selfmetrics",
        "threads",
        "urls",
        "wire",
    },
    {"boundary", "logs", "operations", "outgoing", "schemas", "series"},
    {"batch"},
    {"access_log_text", "expressions", "json_lines", "opentelemetry", "plugin", "remote_write", "stream_writer"},
    {"audit", "cloud_entries", "discovery", "kafka_records", "line_protocol"},
    {"adapter_protocol", "kafka_producer"},
    {"mesh"},
    {"envoy_stats", "processors"},
    {"config"},
    {"catalog", "kubernetes"},
    {"adapters", "dead_letters", "journal", "receivers"},
    {"rules"},
    {"catalog_operations", "checked", "delivery", "keeping", "pipeline", "reference", "registers"},
    {"edges"},
    {"completeness", "health", "saturation"},
    {"graph"},
    {"explain", "replay", "feed", "handlers", "parts", "reload", "tapping"},
    {"http", "predict", "sinks"},
    {"mesh_api"},
    {"envoy_metrics"},
    {"assembly"},
    {"drain", "outfits"},
    {"composition"},
    {"service"},
    {"serving"},
    {"demo", "skeleton", "testing"},
    {"cli"},
    {"__main__"},
)
# Rooms that may know less than all floors below them.
ONLY = {
    "mesh": {"attributes", "errors", "node"},
    "receivers": {"batch", "columns", "config", "errors", "native", "node", "selfmetrics"},
    "adapters": {
        "access_log_text",
        "adapter_protocol",
        "attributes",
        "audit",
        "batch",
        "boundary",
        "cloud_entries",
        "errors",
        "exposition",
        "json_lines",
        "opentelemetry",
        "kafka_producer",
        "kafka_records",
        "line_protocol",
        "options",
        "outgoing",
        "plugin",
        "printable",
        "remote_write",
        "selfmetrics",
        "series",
        "stream_writer",
        "urls",
    },
    "journal": {"batch", "by_context", "errors", "plugin", "selfmetrics"},
}
FLOOR_OF = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}


def sources() -> list[str]:
    paths = set(HOUSE.rglob("*.py")) - {HOUSE / "__init__.py"}  # which is what the world imports: on no floor
    return sorted(str(path.relative_to(ROOT)) for path in paths)


def imported(tree: ast.AST) -> Iterator[str]:
    """Every module of ours that is imported anywhere in the file, inside functions too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "imports are absolute, so that this test can read them"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def room(module: str) -> str:
    return module.split(".")[1]


def breach(importer: str, module: str) -> str | None:
    """Say which rule an import breaks, if it does; both are dotted names below telemetry."""
    ours, theirs = room(importer), room(module)
    if ours == theirs:
        siblings = importer.split(".")[2:3] != module.split(".")[2:3]
        return "adapters never import each other" if ours == "adapters" and siblings else None
    if theirs not in FLOOR_OF:
        return f"{theirs} has no floor yet; give it one in FLOORS"
    if FLOOR_OF[theirs] >= FLOOR_OF[ours]:
        return f"{theirs} lies above or beside {ours}"
    if theirs not in ONLY.get(ours, {theirs}):
        return f"{ours} knows only {', '.join(sorted(ONLY[ours]))}"
    return None


@pytest.mark.parametrize("source", sources())
def test_imports_point_one_way(source: str) -> None:
    importer = source.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    assert room(importer) in FLOOR_OF, f"{room(importer)} has no floor yet; give it one in FLOORS"
    names = imported(ast.parse((ROOT / source).read_text()))
    ours = (name for name in names if name.startswith("telemetry."))
    breaches = {name: why for name in ours if (why := breach(importer, name))}
    assert not breaches


@pytest.mark.parametrize(
    ("importer", "module", "allowed"),
    [
        ("telemetry.processors.signals", "telemetry.batch.Batch", True),
        ("telemetry.batch", "telemetry.plugin.Adapter", False),
        ("telemetry.adapters.otlp", "telemetry.adapters.prometheus.Prometheus", False),
        ("telemetry.adapters.prometheus.series", "telemetry.adapters.prometheus.text", True),
        ("telemetry.adapters.otlp", "telemetry.processors.signals", False),
        ("telemetry.mesh.istio", "telemetry.batch.Batch", False),
        ("telemetry.receivers.access_logs", "telemetry.plugin.Adapter", False),
        ("telemetry.cli.serve", "telemetry.service.run", True),
    ],
)
def test_the_rules_themselves_tell_right_from_wrong(importer: str, module: str, allowed: bool) -> None:
    assert (breach(importer, module) is None) is allowed
