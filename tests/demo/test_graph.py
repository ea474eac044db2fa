"""The graph as a tree: everyone under those that call him."""

from rich.console import Console

from telemetry.demo.graph import graph_tree


def edge(source: str, target: str, **more) -> dict:
    whole = {"protocol": "http", "requests": 1200, "error_ratio": 0.0, "mtls_ratio": 1.0, "application_mean_ms": 3.25}
    return {"data": {"source": source, "target": target, **whole, **more}}


def shown(*edges: dict) -> list[str]:
    names = {one["data"][end] for one in edges for end in ("source", "target")}
    nodes = [{"data": {"id": name, "name": name}} for name in names]
    console = Console(width=200)
    with console.capture() as capture:
        console.print(graph_tree({"elements": {"nodes": nodes, "edges": list(edges)}}))
    return [line.strip("│├─└ ") for line in capture.get().splitlines()]


def test_who_is_called_stands_under_whoever_calls_with_what_went_between() -> None:
    lines = shown(edge("gateway", "a"), edge("a", "b", error_ratio=0.05), edge("a", "db", protocol="tcp", mtls_ratio=0))
    assert lines == [
        "Who calls whom (GET /api/v1/graph)",
        "gateway",
        "a  http, 1,200 requests, application 3.2 ms, mTLS",
        "b  http, 1,200 requests, 5.0% errors, application 3.2 ms, mTLS",
        "db  tcp",
    ]


def test_a_cycle_ends_where_it_begins_again() -> None:
    lines = shown(edge("a", "b"), edge("b", "a"))
    assert [line.split()[0] for line in lines[1:]] == ["a", "b", "a"]


def test_names_are_text_and_no_markup() -> None:
    assert shown(edge("[red]x", "y"))[1] == "[red]x"
