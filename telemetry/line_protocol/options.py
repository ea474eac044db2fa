"""What can be set of InfluxDB."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator
from pydantic_core import PydanticCustomError

from telemetry.batch import SCHEMAS, Template
from telemetry.line_protocol.points import FIELDS, MEASUREMENTS, TAGS
from telemetry.options import ReadableFile, Seconds, Secret
from telemetry.urls import Url

__all__ = ["Options"]

_Url = Annotated[str, Url("give token: env:NAME, or for v1 username and password: env:NAME")]
_Name = Annotated[str, StringConstraints(min_length=1, max_length=255)]
_Attributes = Mapping[Template, tuple[str, ...]]


class Options(BaseModel):
    """What can be set."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_by_name=True, validate_by_alias=True)

    url: _Url = Field(description="Where InfluxDB is, such as http://influxdb:8086.")
    api: Literal["v1", "v2", "v3"] = Field(
        "v2", description="The write API: v1 /write (1.x), v2 /api/v2/write (2.x, 1.8), v3 /api/v3/write_lp (3.x)."
    )
    database: _Name | None = Field(None, description="v1 and v3: the database. It must be there.")
    retention_policy: _Name | None = Field(None, description="v1: another than the database's default.")
    bucket: _Name | None = Field(None, description="v2: the bucket. It must be there.")
    organization: _Name | None = Field(None, alias="org", description="v2: whose the bucket is.")
    username: _Name | None = Field(None, description="v1: for Basic authentication.")
    password: Secret | None = Field(None, description="v1: for Basic authentication.")
    token: Secret | None = Field(None, description="v2 and v3: a token that may write.")
    measurements: Mapping[Template, _Name] = Field(
        default_factory=lambda: dict(MEASUREMENTS), description="Measurements of LOGENTRY and EDGE rows."
    )
    tags: _Attributes = Field(
        default_factory=lambda: dict(TAGS),
        description="Attributes that become tags: of few values, for each combination is a series in memory.",
    )
    fields: _Attributes = Field(default_factory=lambda: dict(FIELDS), description="Attributes that become fields.")
    max_lines: int = Field(10_000, ge=1, le=100_000, description="The most lines in one request.")
    gzip: bool = Field(True, description="Compress requests.")
    certificate: ReadableFile | None = Field(
        None, description="PEM: the authorities that InfluxDB's certificate is checked by; null: the machine's."
    )
    client_certificate: ReadableFile | None = Field(None, description="PEM: our certificate, for mutual TLS.")
    client_key: ReadableFile | None = Field(None, description="PEM: its key.")
    timeout_s: Seconds = Field(10.0, alias="timeout", ge=0.01, le=3600, description="For one request.")

    @field_validator("measurements", "tags", "fields")
    @classmethod
    def _are_of_rows(cls, chosen: Mapping[Template, object]) -> Mapping[Template, object]:
        if wrong := sorted(set(chosen) - set(MEASUREMENTS)):
            context = {"wrong": ", ".join(wrong), "known": ", ".join(MEASUREMENTS)}
            raise PydanticCustomError("templates", "{wrong} can't be set; only {known}", context)
        return chosen

    @field_validator("tags", "fields")
    @classmethod
    def _are_attributes(cls, chosen: Mapping[Template, tuple[str, ...]]) -> Mapping[Template, tuple[str, ...]]:
        for template, names in chosen.items():
            schema = SCHEMAS[template]
            if wrong := [name for name in names if name not in schema or schema[name].is_nested()]:
                context = {"names": ", ".join(wrong), "template": template}
                raise PydanticCustomError("attributes", "{template} has no plain attributes {names}", context)
        return chosen

    @model_validator(mode="after")
    def _fits_together(self) -> "Options":
        wanted = {"v1": ("database",), "v2": ("bucket", "organization"), "v3": ("database",)}[self.api]
        if missing := [name for name in wanted if getattr(self, name) is None]:
            context = {"api": self.api, "names": " and ".join(missing)}
            raise PydanticCustomError("influxdb", "api: {api} needs {names}", context)
        if (self.username is None) != (self.password is None):
            raise PydanticCustomError("influxdb", "username and password go together; set both or neither")
        if (self.client_certificate is None) != (self.client_key is None):
            raise PydanticCustomError("tls", "client_certificate and client_key go together; set both or neither")
        if not self.url.startswith("https:") and (self.certificate or self.client_certificate):
            raise PydanticCustomError("tls", "certificates are of no use without https")
        return self
