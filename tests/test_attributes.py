"""The vocabulary covers Mixer's, attribute by attribute."""

from telemetry.attributes import ATTRIBUTES, NOT_CARRIED

# The manifests that Mixer 1.5 shipped: istioproxy (64) and kubernetes (26).
_MANIFESTS = """
origin.ip origin.uid origin.user request.id request.host request.method request.path request.url_path request.reason
request.referer request.scheme request.useragent response.grpc_status response.grpc_message source.uid source.user
source.principal destination.uid destination.principal connection.event connection.id
connection.requested_server_name context.protocol context.proxy_error_code context.reporter.kind
context.reporter.uid context.proxy_version api.service api.version api.operation api.protocol
request.auth.principal request.auth.audiences request.auth.presenter request.auth.raw_claims request.api_key
rbac.permissive.response_code rbac.permissive.effective_policy_id check.error_message request.headers
request.query_params response.headers request.auth.claims request.total_size request.size response.code
response.total_size response.size destination.port connection.received.bytes connection.received.bytes_total
connection.sent.bytes connection.sent.bytes_total check.error_code request.time response.time context.timestamp
context.time response.duration connection.duration connection.mtls context.reporter.local check.cache_hit
quota.cache_hit
source.ip destination.ip source.labels source.metadata destination.labels destination.metadata source.name
source.namespace source.owner source.serviceAccount source.services source.workload.uid source.workload.name
source.workload.namespace destination.owner destination.name destination.container.name destination.namespace
destination.service.uid destination.service.name destination.service.namespace destination.service.host
destination.serviceAccount destination.workload.uid destination.workload.name destination.workload.namespace
"""
MIXER = _MANIFESTS.split()


def test_each_of_mixers_90_attributes_is_carried_or_has_its_reason():
    assert len(set(MIXER)) == 90
    carried = {one.name for one in ATTRIBUTES}
    assert set(MIXER) - carried == set(NOT_CARRIED)


def test_no_attribute_is_listed_twice():
    names = [one.name for one in ATTRIBUTES]
    assert len(names) == len(set(names))


def test_every_attribute_says_what_it_means_and_where_it_comes_from():
    assert all(one.meaning and one.origin for one in ATTRIBUTES)
