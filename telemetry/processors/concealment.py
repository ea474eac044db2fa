"""What takes a secret's place: nothing, a mask, or a keyed hash."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import blake2b

__all__ = ["Action", "Concealment"]

_HASH_BYTES = 8
# A hash without digits, so that none can be taken for a card's number; letters as Chrome's extension ids have them.
_LETTERS = str.maketrans("0123456789abcdef", "abcdefghijklmnop")


class Action(StrEnum):
    """What is done about a secret."""

    MASK = "mask"
    """`[email]` stands in its place."""
    DROP = "drop"
    """Nothing stands in its place."""
    HASH = "hash"
    """`[email:…]` stands in its place: 16 letters, equal for equal secrets, useless without the key."""
    KEEP = "keep"
    """It is not looked for."""


@dataclass(frozen=True, slots=True)
class Concealment:
    """Conceals texts. `key`: of the hash; needed for Action.HASH only, any length."""

    key: bytes = b""

    def of(self, secrets: Sequence[str], action: Action, label: str) -> list[str]:
        """Give what takes the place of each secret, in their order; `label` says what kind of secret it was.

        A hash stays as it is: redacted twice is redacted once.
        """
        if action is Action.HASH:
            key = blake2b(self.key).digest()
            return [secret if _is_hash(secret, label) else f"[{label}:{_keyed(key, secret)}]" for secret in secrets]
        return ["" if action is Action.DROP else f"[{label}]"] * len(secrets)


def _is_hash(text: str, label: str) -> bool:
    return re.fullmatch(rf"\[{re.escape(label)}:[a-p]{{{2 * _HASH_BYTES}}}\]", text) is not None


def _keyed(key: bytes, secret: str) -> str:
    return blake2b(secret.encode(), key=key, digest_size=_HASH_BYTES).hexdigest().translate(_LETTERS)
