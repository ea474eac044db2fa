"""Cloud Logging keeps the contract, against a server of its real interface."""

import json

import pytest
import pytest_asyncio
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from pydantic import SecretStr

from telemetry.adapters.cloud_logging import CloudLogging
from telemetry.testing import AdapterContract
from tests.adapters.cloud_logging_sink import running

SECRET = "hunter2-key-id"


@pytest.fixture(scope="module")
def service_account() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return json.dumps(
        {
            "type": "service_account",
            "project_id": "my-project",
            "private_key_id": SECRET,
            "private_key": pem.decode(),
            "client_email": "telemetry@my-project.iam.gserviceaccount.com",
            "token_uri": "http://127.0.0.1:1/token",
        }
    )


class TestCloudLogging(AdapterContract):
    adapter_class = CloudLogging
    huge_rows = 5_000
    secrets = (SECRET,)

    @pytest_asyncio.fixture
    async def sink(self, service_account):
        async with running() as sink:
            sink.service_account = service_account
            yield sink

    def make(self, sink):
        return CloudLogging(
            CloudLogging.Config(
                project="my-project",
                endpoint=f"127.0.0.1:{sink.port}",
                insecure=True,
                service_account=SecretStr(sink.service_account),
            )
        )
