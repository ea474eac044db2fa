import stat
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.x509 import verification

from telemetry.demo.certificates import issue_certificates

NOW = datetime(2026, 11, 21, tzinfo=UTC)


@pytest.fixture
def issued(topology, tmp_path):
    return issue_certificates(topology.workloads, tmp_path / "certificates", NOW)


def certificate(path):
    return x509.load_pem_x509_certificate(path.read_bytes())


def names(one):
    return one.extensions.get_extension_for_class(x509.SubjectAlternativeName).value


def test_a_certificate_carries_the_spiffe_id_and_nothing_else(topology, issued):
    for workload in topology.workloads:
        uris = list(names(certificate(issued[workload.name].certificate)))
        assert uris == [x509.UniformResourceIdentifier(workload.spiffe_id)]
    productpage = names(certificate(issued["productpage-v1"].certificate))
    assert productpage.get_values_for_type(x509.UniformResourceIdentifier) == [
        "spiffe://cluster.local/ns/default/sa/bookinfo-productpage"
    ]


def test_a_certificate_stands_up_to_verification_against_its_own_authority_only(issued, topology, tmp_path):
    stranger = issue_certificates(topology.workloads, tmp_path / "stranger", NOW)["ratings-v1"]

    def verify(trusted):
        store = verification.Store([certificate(trusted)])
        verifier = verification.PolicyBuilder().store(store).time(NOW).build_client_verifier()
        return verifier.verify(certificate(issued["ratings-v1"].certificate), [])

    assert len(verify(issued["ratings-v1"].authority).chain) == 2
    with pytest.raises(verification.VerificationError):
        verify(stranger.authority)


def test_a_certificate_lasts_a_day(issued):
    one = certificate(issued["details-v1"].certificate)
    assert one.not_valid_before_utc < NOW < one.not_valid_after_utc == NOW + timedelta(days=1)


def test_a_key_is_its_owners_alone(issued):
    assert stat.S_IMODE(issued["details-v1"].key.stat().st_mode) == 0o600
