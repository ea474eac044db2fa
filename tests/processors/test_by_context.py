"""What is told to follow from context.key does so: in a batch, and in all batches in which slots mean the same."""

from collections.abc import Iterable

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from telemetry import native
from telemetry.batch import SCHEMAS, Batch, Template
from telemetry.catalog import Catalog
from telemetry.catalog_operations import CatalogOperations
from telemetry.mesh.addresses import Addresses
from telemetry.mesh.resolve import Resolver
from telemetry.node import node_of
from telemetry.operations.settings import OperationsSettings
from telemetry.pipeline import Pipeline, Wanted
from telemetry.processors.concealment import Action
from telemetry.processors.connections import Connections
from telemetry.processors.contexts import CONTEXT_ATTRIBUTES, Contexts
from telemetry.processors.normalise import Normalise
from telemetry.processors.redaction import Redaction
from telemetry.processors.redaction_config import RedactionConfig
from telemetry.receivers.coalesce import Chunk
from telemetry.selfmetrics import SelfMetrics
from tests.wire import NOW_NS, REVIEWS_HOST, address, inbound, message, node, outbound, request

CLUSTERS = ["", "inbound|9080||", f"outbound|9080||{REVIEWS_HOST}", f"outbound|9080|v2|{REVIEWS_HOST}", "payments"]
ROUTES = ["", "default", "mine", "allow_any"]
HOSTS = ["", "reviews:9080", "reviews", "a.example.com", "b.example.com"]
SERVER_NAMES = ["", f"outbound_.9080_._.{REVIEWS_HOST}", "a.example.com"]
IPS = [f"10.0.0.{number}" for number in range(4)]


@st.composite
def entries(draw: st.DrawFn):
    made = request(draw(st.sampled_from([200, 404, 503])), authority=draw(st.sampled_from(HOSTS)))
    common = made.common_properties
    common.upstream_cluster = draw(st.sampled_from(CLUSTERS))
    common.route_name = draw(st.sampled_from(ROUTES))
    if name := draw(st.sampled_from(SERVER_NAMES)):
        common.tls_properties.tls_sni_hostname = name
    for one in ("downstream_direct_remote_address", "downstream_local_address", "upstream_remote_address"):
        if draw(st.booleans()):
            getattr(common, one).CopyFrom(address(draw(st.sampled_from(IPS)), draw(st.sampled_from([80, 9080]))))
    return made


CHUNKS = st.lists(
    st.lists(st.tuples(st.sampled_from(["reviews-v1", "ratings-v1"]), st.lists(entries(), min_size=1, max_size=6)),
             min_size=1, max_size=3),
    min_size=1, max_size=4,
)  # fmt: skip
NODES = {
    name: node_of(native.inspect(message(request(), sender=node(name)))[0]) for name in ("reviews-v1", "ratings-v1")
}


def chunk(sent: Iterable[tuple[str, list]]) -> Chunk:
    names = [name for name, _ in sent]
    distinct = list(dict.fromkeys(names))
    raw = [message(*some, sender=node(name)) for name, some in sent]
    counts = [len(some) for _, some in sent]
    return Chunk(raw, [distinct.index(name) for name in names], [NODES[name] for name in distinct], counts, NOW_NS)


def pipeline() -> Pipeline:
    addresses = Addresses()
    contexts = Contexts(Resolver(addresses, "Kubernetes"), addresses, seed=1)
    redaction = Redaction(RedactionConfig(deny={"source.principal": Action.MASK, "source.app": Action.DROP}))
    steps = [Connections(started_ns=0), redaction, CatalogOperations(OperationsSettings(), Catalog(None))]
    every = {"templates": [Template.LOGENTRY], "receiver": "me", "epoch": 1}
    return Pipeline(Normalise(contexts, SCHEMAS[Template.LOGENTRY]), steps, Wanted(), SelfMetrics(), **every)


def by_slot(batch: Batch) -> pl.DataFrame:
    """One row for each slot, with what is told to follow from it; fails where two rows differ."""
    known = batch.by_context
    rows = batch.rows.select("context.key", *sorted(known.columns)).unique()
    assert len(rows) == batch.rows["context.key"].n_unique()
    slots = pl.Series("slot", known.slots[rows["context.key"].to_numpy()])
    assert slots.n_unique() == len(slots)
    return rows.drop("context.key").insert_column(0, slots)


@given(CHUNKS)
@settings(max_examples=60, deadline=None)
def test_rows_of_one_slot_agree_in_what_is_told_to_follow_from_it(chunks):
    one = pipeline()
    origins: dict[object, list[pl.DataFrame]] = {}
    for sent in chunks:
        [batch] = one.run(chunk(sent))
        assert batch.by_context.columns >= set(CONTEXT_ATTRIBUTES)
        origins.setdefault(batch.by_context.origin, []).append(by_slot(batch))
    for tables in origins.values():
        whole = pl.concat(tables).unique()
        assert whole["slot"].n_unique() == len(whole)


def test_a_clue_that_means_nothing_does_not_follow_from_the_kind():
    alike = [inbound(route_name="mine"), inbound(route_name="another"), outbound()]
    [batch] = pipeline().run(chunk([("reviews-v1", alike)]))
    assert batch.rows["context.key"].n_unique() == 2
    assert batch.by_context.columns == set(CONTEXT_ATTRIBUTES)
    [batch] = pipeline().run(chunk([("reviews-v1", alike[1:])]))
    assert batch.by_context.columns == {
        *CONTEXT_ATTRIBUTES, "route.name", "upstream.cluster", "connection.requested_server_name"
    }  # fmt: skip
