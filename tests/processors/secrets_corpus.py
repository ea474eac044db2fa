"""Secrets that must not survive redaction, and texts that must: made up, but of the real forms."""

import base64
import json
import random

_RANDOM = random.Random(20240501)
_URL_SAFE = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_ALNUM = _URL_SAFE[:-2]


def _some(length: int, characters: str = _ALNUM) -> str:
    return "".join(_RANDOM.choice(characters) for _ in range(length))


def check_digit(body: str) -> str:
    """Luhn's formula, the slow way."""
    total = 0
    for at, character in enumerate(reversed(body)):
        value = int(character) * (2 if at % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return str(-total % 10)


def _card(prefix: str, length: int) -> str:
    body = prefix + _some(length - 1 - len(prefix), "0123456789")
    return body + check_digit(body)


def _jwt() -> str:
    parts = ({"alg": "RS256", "kid": _some(8)}, {"sub": _some(12), "exp": 1_700_000_000})
    encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts]
    return ".".join([*encoded, _some(43, _URL_SAFE)])


def _grouped(card: str, separator: str) -> str:
    return separator.join(card[at : at + 4] for at in range(0, 16, 4))


_CARDS = [
    _card(prefix, length)
    for prefix, length in (
        ("4", 13), ("4", 16), ("4", 19), ("51", 16), ("55", 16), ("2221", 16), ("2720", 16), ("34", 15), ("37", 15),
        ("300", 14), ("36", 14), ("38", 14), ("3528", 16), ("6011", 16), ("65", 16), ("62", 16), ("6304", 16),
    )
    for _ in range(2)
]  # fmt: skip
CARDS = [
    "4111111111111111", "5555555555554444", "378282246310005", "30569309025904", "6011111111111117", "3530111333300000",
    *_CARDS,
    *(_grouped(_card("4", 16), separator) for separator in (" ", "-", ".", "+", "%20")),
    "3782 822463 10005",
]  # fmt: skip
EMAILS = [
    "bob@example.com", "alice.smith+tag@mail.example.co.uk", "o'brien@example.ie", "x_y-z@sub.domain.example",
    "user%40example.com", "user%2540example.com", "first.last%2Bspam%40example.org", "jürgen@müller.example",
    "admin@xn--bcher-kva.example", "A.B@EXAMPLE.COM",
    *(f"{_some(7)}@{_some(6).lower()}.example.net" for _ in range(10)),
]  # fmt: skip
JWTS = [_jwt() for _ in range(15)]
BEARERS = [f"Bearer {_some(24, _URL_SAFE)}" for _ in range(10)] + [f"bearer%20{_some(20)}" for _ in range(5)]
KEYS = [
    f"AKIA{_some(16, 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567')}", f"ASIA{_some(16, 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567')}",
    f"ghp_{_some(36)}", f"gho_{_some(36)}", f"github_pat_{_some(22)}_{_some(59)}", f"glpat-{_some(20, _URL_SAFE)}",
    f"xoxb-{_some(12, '0123456789')}-{_some(24)}", f"xoxp-{_some(30)}", f"sk_live_{_some(24)}", f"rk_test_{_some(24)}",
    f"AIza{_some(35, _URL_SAFE)}", f"ya29.{_some(60, _URL_SAFE)}", f"SG.{_some(22)}.{_some(43)}", f"sk-{_some(48)}",
    f"sk-proj-{_some(48, _URL_SAFE)}", f"npm_{_some(36)}", f"hvs.{_some(90)}", f"pypi-{_some(80, _URL_SAFE)}",
]  # fmt: skip
SESSIONS = [
    *(f"{name}={_some(26)}" for name in ("JSESSIONID", "PHPSESSID", "connect.sid", "session", "csrftoken")),
    *(f"{name}={_some(20)}" for name in ("access_token", "api_key", "apikey", "password", "client_secret")),
]
ANYWHERE = [*CARDS, *EMAILS, *JWTS, *BEARERS, *KEYS, *SESSIONS]
"""Secrets that their form betrays wherever they stand."""
OPAQUE = [_some(length, _URL_SAFE) for length in (8, 12, 16, 20, 24, 32, 40, 64) for _ in range(5)]
"""Secrets that only their place betrays: the value of a query's parameter or of a credential's header."""

HARMLESS = [
    "/", "/healthz", "/api/v1/users/12345/orders/987654321", "/static/js/main.3f2a9b1c.chunk.js",
    "/v2/things/550e8400-e29b-41d4-a716-446655440000", "/blobs/sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934c",
    "/@babel/core@7.1.0/index.js", "/shop.Cart/AddItem", "/2024-01-15T10:30:59.123456789Z", "/events/1700000000123",
    "/events/1700000000123456789", "/orders/4111111111111112", "/item/1234567890123456789012345", "/a%20b/c%2Fd",
    "/sk-SK/clanok", "/bearer-tokens/howto", "/token/refresh", "/password/reset", "/caf%C3%A9", "/über/straße",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
    "curl/8.5.0", "kube-probe/1.29", "grpc-python/1.62.0 grpc-c/39.0.0 (linux; chttp2)", "Go-http-client/2.0",
    "https://shop.example.com/catalogue/shoes", "text/html,application/xhtml+xml;q=0.9", "max-age=3600",
    "application/json", "[email]", "[card]", "a=1; b=2", "+49 30 1234567",
]  # fmt: skip
