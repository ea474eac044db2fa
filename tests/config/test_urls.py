"""A URL in a configuration holds no password, and what is refused of one is shown nowhere."""

from pathlib import Path
from typing import Annotated

import pytest
from pydantic import BaseModel, StringConstraints, ValidationError

from telemetry.config.loading import parse
from telemetry.errors import ConfigError
from telemetry.urls import StorageUrl, Url
from tests.config.adapters import INSTALLED, Recorder

CREDENTIALS = [
    "http://user:hunter2@host:8086",
    "http://hunter2@host/",
    "http://user%3Ahunter2@host",
    "https://:hunter2@host",
    "http://user:hun/ter2@host/hunter2",
]


def faults(text: str, **installed: type) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse(text.encode(), "t.yaml", folder=Path(), installed={**INSTALLED, **installed} if installed else None)
    return [str(fault) for fault in caught.value.faults]


class Http(BaseModel):
    url: Annotated[str, Url("give token: env:NAME")]


class Asked(BaseModel):
    url: Annotated[str, Url("headers", query=True)]


class Bare(BaseModel):
    url: Annotated[str, Url("headers", bare=True)]


class Storage(BaseModel):
    url: Annotated[str, StorageUrl("the environment has it")]


def refused(model: type[BaseModel], url: object) -> str:
    with pytest.raises(ValidationError) as caught:
        model.model_validate({"url": url})
    (error,) = caught.value.errors()
    assert error["type"] == "url"
    assert "hunter2" not in error["msg"]
    return error["msg"]


@pytest.mark.parametrize("url", ["http://host", "https://[::1]:8086/a/b@c", "http://host:1/"])
def test_a_plain_url_is_taken_as_it_is(url: str) -> None:
    assert Http(url=url).url == url


@pytest.mark.parametrize("url", CREDENTIALS[:4])
def test_credentials_in_a_url_are_refused_with_the_way_out(url: str) -> None:
    for model in (Http, Asked, Bare):
        assert "holds a user name or password" in refused(model, url)
    assert refused(Http, url).endswith("; give token: env:NAME")


@pytest.mark.parametrize(
    "url",
    [
        "ftp://hunter2", "hunter2", "http:/hunter2", "http://", "http://host:99999/hunter2", "http://host:hunter2",
        "http://[::1/hunter2", "http://ho st/hunter2", "http://host/\nhunter2", "http://host/#hunter2",
        "http://host/" + "hunter2" * 500, "http://user@" + "hunter2" * 500, "", 2, None, ["hunter2"], CREDENTIALS[4], "http://host\\hunter2",
    ],
)  # fmt: skip
def test_what_is_no_url_is_refused_and_not_shown(url: object) -> None:
    assert refused(Http, url).startswith("must be a URL such as http")


def test_a_query_is_taken_where_there_may_be_one_and_only_without_secrets() -> None:
    assert "holds a query" in refused(Http, "http://host/write?db=x")
    assert Asked(url="http://host/api/v1/prom/write?db=mesh&rp=a").url.endswith("rp=a")
    for name in ("token", "access_token", "p", "u", "apiKey", "api-key", "X-Amz-Signature", "secret", "%74oken", "sig"):
        assert "holds credentials in its query" in refused(Asked, f"http://host/?db=x&{name}=hunter2")


def test_the_letters_of_a_scheme_are_small_when_it_is_used() -> None:
    assert Http(url="HTTPS://Host/").url == "https://Host/"


def test_the_scheme_may_be_missing_only_where_it_may() -> None:
    assert Bare(url="collector:4317").url == "collector:4317"
    assert "must be a URL" in refused(Http, "collector:4317")
    assert "holds a user name or password" in refused(Bare, "user:hunter2@collector:4317")


@pytest.mark.parametrize(
    "url",
    ["s3://bucket/audit#1", "sftp://audit@host/a", "abfs://container@account.dfs.core.windows.net/a", "file:///a"],
)
def test_a_storage_may_name_its_user_or_container(url: str) -> None:
    assert Storage(url=url).url == url


@pytest.mark.parametrize(
    "url",
    [
        "s3://key:hunter2@bucket/x",
        "s3://key:hun/ter2+hunter2@bucket/x",
        "s3://key%3Ahunter2@b/x",
        "s3://b?secret=hunter2",
    ],
)
def test_a_password_of_a_storage_is_refused(url: str) -> None:
    assert "holds " in refused(Storage, url)


def test_no_adapter_of_ours_takes_or_shows_a_password_in_its_url(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEY", "k")
    found = faults("""
handlers:
  i: {adapter: influxdb, url: "http://user:hunter2@127.0.0.1:8086", bucket: b, org: o}
  r: {adapter: prometheus_remote_write, url: "http://user:hunter2@127.0.0.1:9090/api/v1/write"}
  q: {adapter: prometheus_remote_write, url: "http://127.0.0.1:9090/api/v1/write?token=hunter2"}
  o: {adapter: otlp, endpoint: "http://user:hunter2@127.0.0.1:9"}
  b: {adapter: otlp, endpoint: "user:hunter2@127.0.0.1:9"}
  a: {adapter: audit, directory: /nowhere, signing_key: "env:KEY", upload: "s3://key:hunter2@bucket/x"}
""")
    places = ["3:31: handlers.i.url", "4:46: handlers.r.url", "5:46: handlers.q.url", "6:32: handlers.o.endpoint"]
    places += ["7:32: handlers.b.endpoint", "8:76: handlers.a.upload"]
    assert [fault.split(": holds")[0] for fault in found] == [f"t.yaml:{place}" for place in places]
    assert "hunter2" not in str(found)


def test_an_address_with_a_password_is_not_shown_whatever_an_adapter_says_of_it() -> None:
    class Others(Recorder):
        class Config(BaseModel):
            place: Annotated[str, StringConstraints(pattern="^https://[^@?]+$")]

    for url in ("https://user:hunter2@host", "https://host/?token=hunter2"):
        (said,) = faults(f"handlers: {{a: {{adapter: others, place: '{url}'}}}}", others=Others)
        assert said.endswith("must match ^https://[^@?]+$")
