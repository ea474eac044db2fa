"""URLs among the options: without credentials, which are given by reference, and never shown when they are refused."""

import re
from dataclasses import dataclass
from typing import Any, NoReturn
from urllib.parse import unquote, urlsplit

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

__all__ = ["StorageUrl", "Url"]

_MAX_LENGTH = 2048
_HTTP, _ANY = "https?", "[a-z][a-z0-9+.-]*"
_IN_NO_URL = re.compile(r"[\x00-\x20\x7f\\#]")
# How parameters of a query are named that hold a secret: token, api-key, X-Amz-Signature; InfluxDB's u and p.
_CREDENTIALS = re.compile(r"^[up]$|user|pass|pwd|token|secret|key|auth|cred|jwt|(^|[-_])sig", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Url:
    """An option that is a URL of HTTP: `Annotated[str, Url("give token: env:NAME")]`.

    URLs stand in logs, labels and differences, so none may hold a password. `instead`: what to do about one. `bare`:
    the scheme may be missing. `query`: there may be one, but for parameters that are named like credentials.
    """

    instead: str
    bare: bool = False
    query: bool = False

    def __get_pydantic_core_schema__(self, source: type[Any], handler: GetCoreSchemaHandler) -> CoreSchema:
        """Let pydantic check the text as it is written."""
        return core_schema.no_info_before_validator_function(self._checked, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Let editors check what they can of it."""
        return {**handler(schema), "maxLength": _MAX_LENGTH} | ({} if self.bare else {"pattern": f"^{_HTTP}://"})

    def _checked(self, value: object) -> str:
        scheme, host, path, query = _parts(value, _HTTP, bare=self.bare) or _refuse(_NO_URL)
        if "@" in unquote(host):
            _refuse(f"holds a user name or password; {self.instead}")
        if query and not self.query:
            _refuse("holds a query, which is of no use here; leave it out")
        _refuse_credentials(query, self.instead)
        if _IN_NO_URL.search(host + path + query) or not _is_place(host):
            _refuse(_NO_URL)
        return scheme + host + path + query


@dataclass(frozen=True, slots=True)
class StorageUrl:
    """An option that is a URL as fsspec knows it. A name may stand before the host: sftp://user@host, abfs://box@account.

    `instead`: what to do about a password.
    """

    instead: str

    def __get_pydantic_core_schema__(self, source: type[Any], handler: GetCoreSchemaHandler) -> CoreSchema:
        """Let pydantic check the text as it is written."""
        return core_schema.no_info_before_validator_function(self._checked, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Let editors check what they can of it."""
        return {**handler(schema), "maxLength": _MAX_LENGTH, "pattern": f"^{_ANY}://."}

    def _checked(self, value: object) -> str:
        scheme, host, path, query = _parts(value, _ANY) or _refuse(_NO_STORAGE)
        # In a secret key there may be slashes: the host would seem to end in the midst of it.
        if ":" in unquote(host + path).rpartition("@")[0]:
            _refuse(f"holds a password; {self.instead}")
        _refuse_credentials(query, self.instead)
        return scheme + host + path + query


_NO_URL = "must be a URL such as http://host:port or https://host/path"
_NO_STORAGE = "must be a URL such as s3://bucket/folder"


def _parts(value: object, schemes: str, *, bare: bool = False) -> tuple[str, str, str, str] | None:
    """Take a URL apart into `scheme://`, host, `/path` and `?query`; None when it can be no such URL."""
    if not isinstance(value, str) or len(value) > _MAX_LENGTH:
        return None
    scheme, separator, rest = value.partition("://") if "://" in value else ("", "", value)
    fits = re.fullmatch(schemes, scheme, re.IGNORECASE) if separator else bare
    if not fits or not rest:
        return None
    before, asked, query = rest.partition("?")
    host, slash, path = before.partition("/")
    return scheme.lower() + separator, host, slash + path, asked + query


def _is_place(host: str) -> bool:
    try:
        url = urlsplit(f"//{host}")
        return bool(url.hostname) and url.port != 0
    except ValueError:
        return False


def _refuse_credentials(query: str, instead: str) -> None:
    if any(_CREDENTIALS.search(unquote(each.partition("=")[0])) for each in re.split("[?&;]", query)):
        _refuse(f"holds credentials in its query; {instead}")


def _refuse(said: str) -> NoReturn:
    """Raise what a message tells of a URL: never the URL, for the password may be in it."""
    raise PydanticCustomError("url", "{said}", {"said": said})
