"""Schemas told to a registry of Confluent's kind, which gives each a number."""

import base64
import json
from typing import Any
from urllib.parse import quote

import orjson

from telemetry.batch import Template
from telemetry.errors import Retry
from telemetry.kafka_producer.options import RecordMode, SchemaRegistry
from telemetry.kafka_records.avro_schema import NAMES, NAMESPACE, batch_schema, entry_schema
from telemetry.outgoing.answers import shown
from telemetry.outgoing.http import Answer, Poster

__all__ = ["MAX_ANSWER_BYTES", "Registry"]

MAX_ANSWER_BYTES = 64 * 1024
_HINTS = {
    401: "are username and password right?",
    403: "may this user register schemas?",
    404: "schemas are not registered by us (register_schemas: false): register it first",
    409: "another schema stands there that ours is not compatible with; name another topic or subject",
}


class Registry:
    """Tells schemas and remembers their numbers."""

    def __init__(self, options: SchemaRegistry, mode: RecordMode, poster: Poster) -> None:
        self._options, self._mode, self._poster = options, mode, poster
        self._ids: dict[str, int] = {}
        self._headers = {"content-type": "application/vnd.schemaregistry.v1+json"}
        if options.username is not None:
            password = options.password.get_secret_value() if options.password else ""
            token = base64.b64encode(f"{options.username}:{password}".encode()).decode()
            self._headers["authorization"] = f"Basic {token}"

    async def id_of(self, template: Template, topic: str) -> int:
        """Give the number of the template's schema. Raises Retry when the registry does not give it."""
        subject = self._subject(template, topic)
        if subject not in self._ids:
            self._ids[subject] = await self._ask(subject, self._schema(template))
        return self._ids[subject]

    async def aclose(self) -> None:
        """Let go of the connections."""
        await self._poster.aclose()

    def _schema(self, template: Template) -> dict[str, Any]:
        return entry_schema(template) if self._mode == "entry" else batch_schema(template)

    def _subject(self, template: Template, topic: str) -> str:
        name = f"{NAMESPACE}.{NAMES[template]}" + ("" if self._mode == "entry" else "Batch")
        return {"topic": f"{topic}-value", "record": name, "topic_record": f"{topic}-{name}"}[self._options.subject]

    async def _ask(self, subject: str, schema: dict[str, Any]) -> int:
        url = f"{self._options.url.rstrip('/')}/subjects/{quote(subject, safe='')}"
        if self._options.register_schemas:
            url += "/versions"
        body = orjson.dumps({"schemaType": "AVRO", "schema": json.dumps(schema)})
        answer = await self._poster.post(url, body, self._headers)
        if answer.status != 200:
            raise Retry(f"schema registry: {subject}: {_complaint(answer)}")
        return _number(subject, answer)


def _complaint(answer: Answer) -> str:
    hint = _HINTS.get(answer.status, "is this the registry's address, and is it well?")
    return f"HTTP {answer.status}: {shown(answer.body.decode('utf-8', 'replace'))}; {hint}"


def _number(subject: str, answer: Answer) -> int:
    try:
        number = orjson.loads(answer.body)["id"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        number = None
    if not isinstance(number, int) or not 0 <= number < 1 << 32:
        raise Retry(f"schema registry: {subject}: the answer has no id; is this the registry's address?")
    return number
