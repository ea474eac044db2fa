"""What can be set of Kafka."""

import re
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError

from telemetry.batch import Template
from telemetry.expressions import ExpressionError
from telemetry.kafka_records.encodings import Format
from telemetry.kafka_records.keys import KEYWORDS, usable
from telemetry.kafka_records.parcels import RecordMode
from telemetry.options import Bytes, ReadableFile, Seconds, Secret
from telemetry.urls import Url

__all__ = ["Options", "RecordMode", "Sasl", "SchemaRegistry"]

_PLACE = "{template}"
_TOPIC = re.compile(r"[A-Za-z0-9._-]{1,249}")
_LOOPBACK = re.compile(r"(localhost|127\.\d+\.\d+\.\d+|\[::1\]):\d+")
_Server = Annotated[str, StringConstraints(pattern=r"^([A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]+\]):\d{1,5}$")]
_Url = Annotated[str, Url("give username and password: env:NAME")]
_STRICT = ConfigDict(extra="forbid", frozen=True, validate_by_name=True, validate_by_alias=True)


class Sasl(BaseModel):
    """How we show who we are."""

    model_config = _STRICT

    mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"] = Field(
        description="As the brokers are configured."
    )
    username: str | None = Field(None, min_length=1, max_length=1024, description="Not for OAUTHBEARER.")
    password: Secret | None = Field(None, description="Not for OAUTHBEARER.")
    token: Secret | None = Field(None, description="OAUTHBEARER's token.")

    @model_validator(mode="after")
    def _is_complete(self) -> "Sasl":
        bearer = self.mechanism == "OAUTHBEARER"
        wanted = (self.token,) if bearer else (self.username, self.password)
        if None in wanted:
            names = "token" if bearer else "username and password"
            raise PydanticCustomError(
                "sasl", "{mechanism} needs {names}", {"mechanism": self.mechanism, "names": names}
            )
        return self


class SchemaRegistry(BaseModel):
    """A Confluent-compatible registry of Avro schemas."""

    model_config = _STRICT

    url: _Url = Field(description="Where it is, such as https://registry:8081.")
    username: str | None = Field(None, max_length=1024, description="For Basic authentication.")
    password: Secret | None = Field(None, description="For Basic authentication.")
    certificate: ReadableFile | None = Field(None, description="PEM: authorities for its certificate.")
    register_schemas: bool = Field(True, description="False: the schema must be there already.")
    subject: Literal["topic", "record", "topic_record"] = Field(
        "topic", description="Confluent's subject name strategies: TOPIC-value, the record's name, TOPIC-RECORD."
    )


class Options(BaseModel):
    """What can be set."""

    model_config = _STRICT

    bootstrap_servers: tuple[_Server, ...] | _Server = Field(
        description="Brokers to begin with, host:port, one or a list."
    )
    topic: str = Field(
        "telemetry.{template}",
        description="Topic of all rows; {template} stands for logentry, metric and so on. No row decides on it.",
    )
    topics: Mapping[Template, str] = Field(default_factory=dict, description="Topics of single templates.")
    format: Format = Field(
        "avro", description="avro, json, protobuf (proto/telemetry/entry/v1) or arrow (IPC streams)."
    )
    mode: RecordMode = Field(
        "batch", description="batch: a record holds as many rows as fit. entry: a record for each row, with its key."
    )
    key: str = Field(
        "trace",
        description="Rows of one key go to one partition: trace (METRIC: the series, EDGE: the edge), workload (the "
        "destination), edge, none, or an expression that gives a text.",
    )
    schema_registry: SchemaRegistry | None = Field(
        None, description="With it Avro is in Confluent's wire format; without, each record is a container file."
    )
    compression: Literal["none", "gzip", "snappy", "lz4", "zstd"] = Field(
        "zstd", description="Of Kafka's batches; zstd costs less than it saves on the way out."
    )
    max_message_bytes: Bytes = Field(
        Bytes(1_000_000), ge=16 * 1024, le=512 << 20,
        description="The brokers' message.max.bytes (the topic's max.message.bytes) or less. More is split.",
    )  # fmt: skip
    transactional_id: str | None = Field(
        None, min_length=1, max_length=255,
        description="Write each batch in a transaction. No two processes may have the same.",
    )  # fmt: skip
    client_id: str = Field("mesh-telemetry", min_length=1, max_length=255, description="Shown in the brokers' logs.")
    tls: bool = Field(False, description="Connect with TLS.")
    certificate: ReadableFile | None = Field(
        None, description="PEM: the authorities that the brokers' certificates are checked by; null: the machine's."
    )
    client_certificate: ReadableFile | None = Field(None, description="PEM: our certificate, for mutual TLS.")
    client_key: ReadableFile | None = Field(None, description="PEM: its key.")
    sasl: Sasl | None = Field(None, description="How we show who we are, besides a certificate.")
    timeout_s: Seconds = Field(10.0, alias="timeout", ge=0.1, le=3600, description="For one request.")

    @property
    def servers(self) -> tuple[str, ...]:
        """Give the brokers to begin with."""
        return (self.bootstrap_servers,) if isinstance(self.bootstrap_servers, str) else self.bootstrap_servers

    def topic_of(self, template: Template) -> str:
        """Give the topic that rows of the template go to."""
        return self.topics.get(template, self.topic).replace(_PLACE, template)

    @field_validator("topic", "topics")
    @classmethod
    def _names_topics(cls, value: str | Mapping[Template, str]) -> str | Mapping[Template, str]:
        for topic in [value] if isinstance(value, str) else value.values():
            if topic.startswith(_PLACE):
                raise PydanticCustomError("topic", "a topic begins with a text of its own, such as mesh.{{template}}")
            if not _TOPIC.fullmatch(topic.replace(_PLACE, Template.TRACESPAN)) or topic in (".", ".."):
                raise PydanticCustomError("topic", "a topic has only letters, digits, dots, _ and -, 249 at most")
        return value

    @field_validator("key")
    @classmethod
    def _is_usable(cls, key: str) -> str:
        if key not in KEYWORDS:
            try:
                usable(key)
            except ExpressionError as error:
                context = {"words": ", ".join(KEYWORDS), "error": str(error)}
                raise PydanticCustomError("key", "neither one of {words} nor an expression: {error}", context) from None
        return key

    @field_validator("schema_registry")
    @classmethod
    def _is_for_avro(cls, registry: SchemaRegistry | None, info: ValidationInfo) -> SchemaRegistry | None:
        if registry and info.data.get("format", "avro") != "avro":
            raise PydanticCustomError("registry", "a schema registry is for format: avro only")
        return registry

    @model_validator(mode="after")
    def _fits_together(self) -> "Options":
        if self.format == "arrow" and self.mode == "entry":
            raise PydanticCustomError("arrow", "format: arrow needs mode: batch; a row is no batch of columns")
        if (self.client_certificate is None) != (self.client_key is None):
            raise PydanticCustomError("tls", "client_certificate and client_key go together; set both or neither")
        if not self.tls and (self.certificate or self.client_certificate):
            raise PydanticCustomError("tls", "certificates are of no use without tls: true")
        self._keeps_secrets()
        self._names_subjects()
        return self

    def _keeps_secrets(self) -> None:
        bare = self.sasl is not None and not self.sasl.mechanism.startswith("SCRAM")
        if bare and not self.tls and not all(_LOOPBACK.fullmatch(server) for server in self.servers):
            raise PydanticCustomError("sasl", "PLAIN and OAUTHBEARER show the secret to the network; set tls: true")

    def _names_subjects(self) -> None:
        registry = self.schema_registry
        if registry and registry.subject == "topic" and len(set(map(self.topic_of, Template))) < len(Template):
            hint = "give topics {template}, or set schema_registry.subject to topic_record"
            raise PydanticCustomError(
                "subject", "templates of one topic can't share its subject: {hint}", {"hint": hint}
            )
