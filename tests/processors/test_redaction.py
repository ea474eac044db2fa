"""What clients would not have stored is not stored; all else passes unchanged."""

import base64
import hashlib
import re
import string
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from telemetry.batch import Batch, Template, fault_of
from telemetry.by_context import ByContext
from telemetry.processors.cards import cards_in
from telemetry.processors.concealment import Action, Concealment
from telemetry.processors.header_lists import HeaderLists
from telemetry.processors.redaction import Redaction
from telemetry.processors.redaction_config import DENIED_HEADERS, HeaderRules, RedactionConfig
from telemetry.processors.secrets_in_text import PATTERNS, SecretsInText
from tests.processors.secrets_corpus import ANYWHERE, HARMLESS, OPAQUE, check_digit
from tests.rows import logentries, metrics

PLACES = ("path", "referer", "useragent", "request header", "response header", "trailer")


def redaction(**config: Any) -> Redaction:
    return Redaction(RedactionConfig(**config))


def hashing(monkeypatch: pytest.MonkeyPatch, *, key: str = "0123456789abcdef-key", **config: Any) -> Redaction:
    monkeypatch.setenv("REDACTION_KEY", key)
    return redaction(hash_key="env:REDACTION_KEY", **config)


def entry(path: str | None = "/", **more: Any) -> dict[str, Any]:
    url_path = None if path is None else path.partition("?")[0]
    return {"request.path": path, "request.url_path": url_path, **more}


def header(key: str, value: str) -> list[dict[str, str]]:
    return [{"key": key, "value": value}]


def at(place: str, text: str) -> dict[str, Any]:
    """An entry with the text in that place, as its only unusual thing."""
    match place:
        case "path":
            return entry(f"/x/{text}/y")
        case "referer":
            return entry(**{"request.referer": f"https://shop.example/{text}"})
        case "useragent":
            return entry(**{"request.useragent": f"agent/1.0 ({text})"})
        case "request header":
            return entry(**{"request.headers": header("x-note", text)})
        case "response header":
            return entry(**{"response.headers": header("x-note", text)})
        case _:
            return entry(**{"response.trailers": header("x-note", text)})


def one(processor: Redaction, batch: Batch) -> Batch:
    (result,) = processor.process(batch)
    assert fault_of(result) is None
    assert len(result.rows) == len(batch.rows)
    return result


def redacted(row: dict[str, Any], processor: Redaction | None = None) -> dict[str, Any]:
    return one(processor or redaction(), logentries(row)).rows.to_dicts()[0]


def value_of(secret: str) -> str:
    """The secret itself, where its form has a name or a scheme in front of it."""
    return re.split(r"[ =]|%20", secret)[-1] if "=" in secret or "earer" in secret else secret


def everything(batch: Batch) -> str:
    return repr(batch.rows.to_dicts())


@pytest.mark.parametrize("place", PLACES)
def test_no_secret_of_the_corpus_survives_wherever_it_stands(place):
    assert len(set(ANYWHERE)) >= 100
    batch = logentries(*(at(place, secret) for secret in ANYWHERE))
    rows = one(redaction(), batch).rows.to_dicts()
    assert [secret for row, secret in zip(rows, ANYWHERE, strict=True) if value_of(secret) in repr(row)] == []


BEFORE = st.sampled_from(["", "/", " ", "(", "a/", "-", ":", "%2F", "id_"])
AFTER = st.sampled_from(["", "/", " ", ")", "?", ",", ";", "%2F", "\n"])


@settings(deadline=None)
@given(secret=st.sampled_from(ANYWHERE), before=BEFORE, after=AFTER, place=st.sampled_from(PLACES))
def test_no_secret_survives_among_neighbours(secret, before, after, place):
    assert value_of(secret) not in everything(one(redaction(), logentries(at(place, before + secret + after))))


@settings(deadline=None)
@given(secret=st.sampled_from([*OPAQUE, *ANYWHERE]), name=st.text(string.ascii_letters, max_size=8))
def test_nothing_of_a_query_survives(secret, name):
    batch = logentries(entry(f"/p?{name}={secret}", **{"request.referer": f"https://shop.example/p?{name}={secret}#f"}))
    row = one(redaction(), batch).rows.to_dicts()[0]
    assert row["request.path"] == row["request.url_path"] == "/p"
    assert row["request.referer"] == "https://shop.example/p"


@settings(deadline=None)
@given(secret=st.sampled_from([*OPAQUE, *ANYWHERE]), name=st.sampled_from(DENIED_HEADERS), upper=st.booleans())
def test_no_credential_in_a_header_survives(secret, name, upper):
    key = name.replace("*", "x")
    key = key.upper() if upper else key
    kept = {"key": "accept", "value": "text/html"}
    row = redacted(entry(**{"request.headers": [*header(key, secret), kept], "response.headers": header(key, secret)}))
    assert row["request.headers"] == [kept]
    assert row["response.headers"] is None


@pytest.mark.parametrize("place", PLACES)
def test_harmless_texts_pass_unchanged(place):
    batch = logentries(*(at(place, text) for text in HARMLESS))
    processor = redaction()
    assert one(processor, batch).rows.equals(batch.rows)
    assert not processor.counts


LETTERS = string.ascii_letters + " /-_.,äλ"
WORDS = st.text(LETTERS, max_size=30).filter(lambda text: not re.search("(?i)bearer|sk-", text))


@settings(deadline=None)
@given(st.lists(st.one_of(st.none(), WORDS.map(lambda text: "/" + text)), min_size=1, max_size=8))
def test_words_pass_unchanged_and_missing_texts_stay_missing(texts):
    batch = logentries(*(entry(text, **{"request.useragent": text, "request.referer": text}) for text in texts))
    assert one(redaction(), batch).rows.equals(batch.rows)


FRAGMENTS = st.lists(
    st.one_of(st.sampled_from([*ANYWHERE, *HARMLESS]), st.text(max_size=6)), min_size=1, max_size=4
).map("".join)


@pytest.mark.parametrize(
    ("action", "query"), [("mask", "drop"), ("mask", "keep"), ("hash", "keep"), ("drop", "mask"), ("keep", "mask")]
)
def test_redacted_twice_is_redacted_once(action, query, monkeypatch):
    patterns = {pattern.name: action for pattern in PATTERNS}
    headers = {"action": "mask" if action == "keep" else action}
    processor = hashing(monkeypatch, patterns=patterns, headers=headers, query=query)

    @settings(max_examples=50, deadline=None)
    @given(texts=st.lists(FRAGMENTS, min_size=1, max_size=8))
    def law(texts):
        batch = logentries(
            *(
                entry(
                    f"/{text}",
                    **{
                        "request.referer": text,
                        "request.useragent": text,
                        "request.headers": [*header("cookie", text), *header("x-note", text)],
                    },
                )
                for text in texts
            )
        )
        once = one(processor, batch)
        assert one(processor, once).rows.equals(once.rows)

    law()


def test_equal_secrets_hash_equally_and_only_with_the_same_key(monkeypatch):
    processor = hashing(monkeypatch, patterns={"email": "hash"})
    first = redacted(entry("/u/bob@example.com"), processor)["request.path"]
    assert re.fullmatch(r"/u/\[email:[a-p]{16}\]", first)
    assert redacted(entry("/v/bob@example.com"), processor)["request.path"][3:] == first[3:]
    assert redacted(entry("/u/rob@example.com"), processor)["request.path"] != first
    other = hashing(monkeypatch, key="another key, as long", patterns={"email": "hash"})
    assert redacted(entry("/u/bob@example.com"), other)["request.path"] != first


def test_the_hash_is_keyed_blake2b():
    (text,) = Concealment(b"key").of(["bob@example.com"], Action.HASH, "email")
    key = hashlib.blake2b(b"key").digest()
    digest = hashlib.blake2b(b"bob@example.com", key=key, digest_size=8).hexdigest()
    assert text == f"[email:{''.join(chr(ord('a') + int(digit, 16)) for digit in digest)}]"


def test_secrets_are_masked_with_what_they_were():
    assert redacted(entry("/pay/4111-1111-1111-1111/for/bob@example.com"))["request.path"] == "/pay/[card]/for/[email]"
    assert redacted(entry("/cb;access_token=abc123/x"))["request.path"] == "/cb;access_token=[assigned]/x"


def test_masked_queries_keep_their_parameters_names():
    row = redacted(entry("/s?q=shoes&user=bob@example.com&flag&page=2#top"), redaction(query="mask"))
    assert row["request.path"] == "/s?q=[redacted]&user=[redacted]&page=[redacted]"
    assert row["request.url_path"] == "/s"
    assert redacted(entry("/s?c2VjcmV0"), redaction(query="mask"))["request.path"] == "/s"


def test_kept_queries_are_still_searched():
    row = redacted(entry("/s?q=shoes&user=bob%40example.com"), redaction(query="keep"))
    assert row["request.path"] == "/s?q=shoes&user=[email]"


def test_a_password_in_an_address_is_masked():
    row = redacted(entry(**{"request.referer": "https://bob:hunter2@intranet/wiki"}))
    assert row["request.referer"] == "https://[userinfo]intranet/wiki"


def test_denied_headers_are_dropped_masked_or_hashed(monkeypatch):
    row = entry(**{"request.headers": [*header("cookie", "a=1"), *header("accept", "*/*")]})
    assert redacted(row)["request.headers"] == header("accept", "*/*")
    masked = redacted(row, redaction(headers={"action": "mask"}))["request.headers"]
    assert masked == [*header("cookie", "[header]"), *header("accept", "*/*")]
    hashed = redacted(row, hashing(monkeypatch, headers={"action": "hash"}))["request.headers"]
    assert re.fullmatch(r"\[header:[a-p]{16}\]", hashed[0]["value"])


def test_a_further_header_can_be_denied():
    kept = header("accept", "*/*")
    row = entry(**{"request.headers": [*header("x-customer", "17"), *header("cookie", "a=1"), *kept]})
    assert redacted(row, redaction(headers={"also_deny": ["X-Cust*"]}))["request.headers"] == kept


def test_an_allow_list_of_headers_keeps_these_only_and_an_empty_one_none():
    row = entry(**{"request.headers": [*header("accept", "*/*"), *header("x-a", "1"), *header("cookie", "a=1")]})
    assert redacted(row, redaction(headers={"allow": ["x-*", "cookie"]}))["request.headers"] == header("x-a", "1")
    assert redacted(row, redaction(headers={"allow": []}))["request.headers"] is None


def test_an_allow_list_of_attributes_keeps_these_only_and_an_empty_one_none():
    row = entry("/a", **{"request.useragent": "curl", "request.host": "shop", "response.code": 200})
    assert redacted(row, redaction(allow=["request.host"]))["request.path"] is None
    assert redacted(row, redaction(allow=["request.host"]))["request.host"] == "shop"
    nothing = redacted(row, redaction(allow=[]))
    assert {name for name, value in nothing.items() if value is not None} >= {"response.code", "request.counts"}
    names = ("request.path", "request.url_path", "request.useragent", "request.host")
    assert [nothing[name] for name in names] == [None] * 4


def test_attributes_are_denied_by_name(monkeypatch):
    row = entry("/a", **{"source.ip": "10.0.0.1", "request.host": "shop", "request.size": 7})
    processor = hashing(monkeypatch, deny={"source.ip": "hash", "request.host": "mask", "request.size": "hash"})
    result = redacted(row, processor)
    assert re.fullmatch(r"\[source.ip:[a-p]{16}\]", result["source.ip"])
    assert result["request.host"] == "[request.host]"
    assert result["request.size"] is None
    assert processor.counts == {"attribute": 3}


def test_a_pattern_can_be_switched_off_and_others_added():
    processor = redaction(patterns={"email": "keep"}, custom={"iban": r"DE\d{20}"})
    row = redacted(entry("/bob@example.com/DE89370400440532013000"), processor)
    assert row["request.path"] == "/bob@example.com/[iban]"
    assert processor.counts == {"iban": 1}


def test_each_rule_counts_what_it_concealed():
    processor = redaction()
    rows = [
        entry("/a?x=1"), entry("/a?x=2"), entry("/bob@example.com"), entry("/bob@example.com"),
        entry("/4111111111111111/4111111111111111"),
        entry(**{"request.headers": header("authorization", "Basic eDp5")}),
        entry(**{"request.referer": "https://a.example/?q=1"}),
    ]  # fmt: skip
    one(processor, logentries(*rows))
    assert processor.counts == {"query": 3, "email": 2, "card": 2, "header": 1}


def test_metrics_pass_untouched_and_nothing_is_held_back():
    batch = metrics(1.0)
    assert batch.template is Template.METRIC
    assert list(redaction().process(batch)) == [batch]
    assert list(redaction().flush(1)) == []


def test_clean_texts_and_headers_are_not_copied():
    batch = logentries(entry(**{"request.headers": header("accept", "*/*"), "request.useragent": "curl"}))
    secrets = SecretsInText({}, Concealment(), counts=Counter())
    for name in ("request.path", "request.useragent", "request.referer"):
        column = batch.rows[name]
        assert secrets.conceal(column) is column
    headers = batch.rows["request.headers"]
    assert HeaderLists(HeaderRules(), secrets, Concealment(), counts=Counter()).redact(headers) is headers


@settings(deadline=None)
@given(st.from_regex(r"\A4[0-9]{14}\Z"))
def test_a_card_is_what_its_check_digit_confirms(body):
    right = check_digit(body)
    wrong = str((int(right) + 1) % 10)
    assert cards_in(pl.Series([f"/{body}{right}/", f"/{body}{wrong}/"])).to_list() == [body + right]


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"patterns": {"email": "hash"}}, "needs a key"),
        ({"patterns": {"emial": "mask"}}, "there is no emial"),
        ({"custom": {"x": "("}}, "x: "),
        ({"custom": {"x": "a*"}}, "matches the empty text"),
        ({"custom": {"card": "a"}}, "built in already"),
        ({"deny": {"request.counts": "drop"}}, "can't be counted"),
        ({"deny": {"request.nothing": "drop"}}, "there is no attribute"),
        ({"allow": ["response.code"]}, "not among the attributes"),
        ({"hash_key": "the secret itself"}, "must be a reference"),
        ({"headers": {"denny": []}}, "Extra inputs"),
    ],
)
def test_a_wrong_configuration_says_what_is_wrong(config, message):
    with pytest.raises(ValidationError, match=message):
        RedactionConfig(**config)


def test_a_short_key_is_refused(monkeypatch):
    monkeypatch.setenv("REDACTION_KEY", "short")
    with pytest.raises(ValidationError, match="at least 16 bytes"):
        redaction(hash_key="env:REDACTION_KEY", deny={"source.ip": "hash"})


def test_hostile_texts_end_redacted_whatever_they_nest():
    nested = "x@y.example"
    for _ in range(40):
        nested = f"a@b.ex{nested}ample"
    assert "example" not in redacted(entry(f"/{nested}"), redaction(patterns={"email": "drop"}))["request.path"]
    encoded = base64.b64encode(b"q" * 3000).decode()
    assert redacted(entry(f"/{encoded}"))["request.path"] == f"/{encoded}"


def test_the_page_lists_every_option_pattern_and_header():
    page = (Path(__file__).parents[2] / "docs" / "redaction.md").read_text()
    options = {*RedactionConfig.model_fields, *(f"headers.{name}" for name in HeaderRules.model_fields)} - {"headers"}
    listed = set(re.findall(r"^\| `([^`]+)`", page, re.MULTILINE))
    assert listed == options | {pattern.name for pattern in PATTERNS}
    assert re.findall("`([^`]+)`", page.split("**Headers denied:**")[1].split(".\n")[0]) == list(DENIED_HEADERS)


def test_labels_that_were_concealed_in_one_batch_are_not_told_to_be_so_in_all():
    """Seventeen digits are no card, but have one in them when another text of the batch is that card."""
    card, longer = "4111111111111111", "94111111111111111"
    batch = logentries(*({"source.labels": [{"key": "id", "value": value}]} for value in (longer, card)))
    known = ByContext(frozenset({"source.labels", "source.app"}), "here", np.arange(2, dtype=np.uint32))
    [alone] = Redaction(RedactionConfig()).process(replace(batch.slice(0, 1), by_context=known))
    [both] = Redaction(RedactionConfig()).process(replace(batch, by_context=known))
    assert alone.by_context.columns == {"source.labels", "source.app"}
    assert both.by_context.columns == {"source.app"}
    assert both.rows["source.labels"][0][0]["value"] != longer == alone.rows["source.labels"][0][0]["value"]
