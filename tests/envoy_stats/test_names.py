"""Stats are called as Envoy's own page calls them."""

import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.envoy_stats.names import Name, Namer
from telemetry.envoy_stats.repair import repaired
from telemetry.envoy_stats.styles import CONSUL, ENVOY, ISTIO, STYLES, Style
from telemetry.exposition import LABEL_NAME, METRIC_NAME
from tests.envoy_stats.pages import samples, types

DATA = Path(__file__).parent / "data"
NAMER = Namer(("node_id", "workload"))
REVIEWS = "outbound|9080|v1|reviews.default.svc.cluster.local"


def read(name: str) -> str:
    return gzip.decompress((DATA / name).read_bytes()).decode()


def named(raw: str, style: Style = ENVOY, labels: dict[str, str] | None = None) -> tuple[str, dict[str, str]]:
    name = NAMER.name(raw, tuple((labels or {}).items()), style)
    return name.metric, dict(name.labels)


def test_each_of_a_real_envoy_s_stats_is_named_as_on_its_page() -> None:
    """/stats and /stats/prometheus of Envoy 1.40, among them dotted clusters and prefixes, which it cuts."""
    page = read("prometheus.txt.gz")
    kinds = types(page)
    shown = set()
    for name, labels in samples(page, without=["le"]):
        stem = name.rpartition("_")[0]
        shown.add((stem if kinds.get(stem) == "histogram" else name, labels))
    namer = Namer((), repair=False)
    made = [namer.name(line.split(": ")[0], (), ENVOY) for line in read("stats.txt.gz").splitlines()]
    assert len(made) > 900
    assert {(name.metric, name.labels) for name in made} == shown


@pytest.mark.parametrize(
    ("raw", "metric", "labels"),
    [
        (f"cluster.{REVIEWS}.upstream_rq_200", "envoy_cluster_upstream_rq",
         {"envoy_cluster_name": REVIEWS, "envoy_response_code": "200"}),
        (f"cluster.{REVIEWS}.retry.upstream_rq_5xx", "envoy_cluster_retry_upstream_rq_xx",
         {"envoy_cluster_name": REVIEWS, "envoy_response_code_class": "5"}),
        (f"cluster.{REVIEWS}.default.total_match_count", "envoy_cluster_default_total_match_count",
         {"envoy_cluster_name": REVIEWS}),
        (f"cluster.{REVIEWS}.circuit_breakers.default.remaining_rq",
         "envoy_cluster_circuit_breakers_default_remaining_rq", {"envoy_cluster_name": REVIEWS}),
        ("http.inbound_0.0.0.0_9080.downstream_rq_2xx", "envoy_http_downstream_rq_xx",
         {"envoy_http_conn_manager_prefix": "inbound_0.0.0.0_9080", "envoy_response_code_class": "2"}),
        ("listener.10.0.0.1_15006.http.inbound_0.0.0.0_80.downstream_rq_5xx", "envoy_listener_http_downstream_rq_xx",
         {"envoy_listener_address": "10.0.0.1_15006", "envoy_http_conn_manager_prefix": "inbound_0.0.0.0_80",
          "envoy_response_code_class": "5"}),
        ("tcp.db.shop.svc.downstream_cx_total", "envoy_tcp_downstream_cx_total", {"envoy_tcp_prefix": "db.shop.svc"}),
        ("vhost.a.example.org:80.vcluster.get.upstream_rq_total", "envoy_vhost_vcluster_upstream_rq_total",
         {"envoy_virtual_host": "a.example.org:80", "envoy_virtual_cluster": "get"}),
        ("cluster.plain.http2.streams_active", "envoy_cluster_http2_streams_active", {"envoy_cluster_name": "plain"}),
        ("cluster.plain.a.filter.of.mine", "envoy_cluster_a_filter_of_mine", {"envoy_cluster_name": "plain"}),
    ],
)  # fmt: skip
def test_dotted_names_are_made_whole(raw: str, metric: str, labels: dict[str, str]) -> None:
    assert named(raw) == (metric, labels)


def test_what_envoy_has_cut_already_is_repaired_just_the_same() -> None:
    cut = {"envoy.response_code": "200", "envoy.cluster_name": "outbound|9080|v1|reviews"}
    whole = named(f"cluster.{REVIEWS}.upstream_rq_200")
    assert named("cluster.default.svc.cluster.local.upstream_rq", labels=cut) == whole


def test_istio_s_proxies_have_istio_s_tags() -> None:
    host = "x.ns.svc.cluster.local"
    assert named(f"cluster.outbound|9080||{host};.upstream_rq_200", ISTIO) == (
        "envoy_cluster_upstream_rq", {"cluster_name": f"outbound|9080||{host}", "response_code": "200"},
    )  # fmt: skip
    assert named(f"cluster.outbound|80||{host}.upstream_rq_5xx", ISTIO)[1]["response_code_class"] == "5xx"
    assert named("http.inbound_0.0.0.0_9080;.downstream_rq_total", ISTIO)[1] == {
        "http_conn_manager_prefix": "inbound_0.0.0.0_9080"
    }
    assert named("listener.0.0.0.0_15006.downstream_cx_total", ISTIO)[1] == {"listener_address": "0.0.0.0_15006"}


def test_istio_s_own_metrics_lose_their_namespace_and_their_values_may_have_dots() -> None:
    raw = (
        "istiocustom.istio_requests_total.reporter.source.source_workload.web.v1.source_principal.spiffe://a.b/ns/c"
        ".destination_service.x.ns.svc.cluster.local.response_code.200.connection_security_policy.mutual_tls"
    )
    metric, labels = named(raw, ISTIO)
    assert metric == "istio_requests_total"
    assert labels == {
        "reporter": "source", "source_workload": "web.v1", "source_principal": "spiffe://a.b/ns/c",
        "destination_service": "x.ns.svc.cluster.local", "response_code": "200",
        "connection_security_policy": "mutual_tls",
    }  # fmt: skip
    old = "istiocustom.reporter=.=source;.;source_workload=.=web;.;_istio_requests_total"
    assert named(old, ISTIO) == ("istio_requests_total", {"reporter": "source", "source_workload": "web"})


def test_tags_that_somebody_added_are_known_by_their_names() -> None:
    raw = "istiocustom.istio_requests_total.reporter.source.tenant.a.b"
    assert dict(Namer((), ("tenant",)).name(raw, (), ISTIO).labels) == {"reporter": "source", "tenant": "a.b"}


def test_consul_s_proxies_have_consul_s_tags_too() -> None:
    metric, labels = named("cluster.v2.web.default.dc1.internal.1111-2222.consul.upstream_rq_200", CONSUL)
    assert metric == "envoy_cluster_upstream_rq"
    assert labels == {
        "consul_destination_service_subset": "v2", "consul_destination_service": "web",
        "consul_destination_namespace": "default", "consul_destination_datacenter": "dc1",
        "consul_destination_routing_type": "internal", "consul_destination_trust_domain": "1111-2222",
        "consul_destination_target": "v2.web.default.dc1",
        "consul_destination_full_target": "v2.web.default.dc1.internal.1111-2222",
        "envoy_cluster_name": "v2", "envoy_response_code": "200",
    }  # fmt: skip


def test_a_tag_that_has_the_name_of_one_of_ours_is_exported() -> None:
    labels = {"workload": "theirs", "le": "1", "__name__": "x", "0": "digit"}
    assert set(named("a.b", labels=labels)[1]) == {"exported_workload", "exported_le", "exported___name__", "_0"}


@given(st.text(max_size=60), st.dictionaries(st.text(max_size=8), st.text(max_size=8), max_size=3))
def test_whatever_a_stat_is_called_prometheus_takes_its_name(raw: str, labels: dict[str, str]) -> None:
    for style in STYLES.values():
        name = NAMER.name(raw, tuple(labels.items()), style)
        assert METRIC_NAME.fullmatch(name.metric)
        assert all(LABEL_NAME.fullmatch(label) and value for label, value in name.labels)


@given(st.from_regex(r"[a-z|0-9]{1,5}(\.[a-z0-9]{1,5}){0,4}", fullmatch=True))
def test_any_dotted_cluster_name_comes_back_whole(cluster: str) -> None:
    whole = Name("cluster.upstream_rq_total", "envoy_cluster_upstream_rq_total", (("envoy_cluster_name", cluster),))
    assert NAMER.name(f"cluster.{cluster}.upstream_rq_total", (), ENVOY) == whole
    head, dot, rest = cluster.partition(".")
    cut = (("envoy.cluster_name", head),)
    assert NAMER.name(f"cluster.{rest}{dot}upstream_rq_total", cut, ENVOY) == whole


def test_a_name_of_ten_thousand_segments_takes_no_time() -> None:
    raw = "cluster." + "a." * 5000 + "nothing"
    assert repaired("cluster." + "a." * 5000 + "nothing", (("envoy.cluster_name", "b"),))[0] == raw
