"""What can be chosen about an MCP server."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from msgspec import Meta, Struct

ALL = "*"
"""In a list of tools: every one."""

Seconds = Annotated[float, Meta(gt=0)]


class McpServerOptions(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How one server is reached and what it may do; lists hold the server's own names of tools."""

    command: tuple[str, ...] = ()
    """Program and arguments of a server that is started here."""

    url: str = ""
    """Address of a server that runs already, over streamable HTTP."""

    env: dict[str, str] = {}
    """Variables for the program, beside PATH, HOME and the like. A value "env:NAME" is taken from
    the environment; nothing else of it is handed on."""

    folder: str = ""
    """Folder in which the program runs; "": this one."""

    headers: dict[str, str] = {}
    """HTTP headers, such as `Authorization`, likewise with "env:NAME"."""

    allow: tuple[str, ...] = ()
    """Tools that the model may call; ["*"]: all. Without any the server is not even started."""

    confirm: tuple[str, ...] | None = None
    """Tools that need a yes first; ["*"]: all. Left out: those that say of themselves that they
    destroy something."""

    read_only: tuple[str, ...] = ()
    """Tools that change nothing, so that they may run for an answer that is perhaps dropped;
    ["*"]: those that say so of themselves."""

    prefix: str | None = None
    """What the model sees before the tools' names; left out: the server's name and "_"."""

    start_seconds: Seconds = 30.0
    """A server that is not ready by then is given up, and tried again later."""

    limit_seconds: Seconds = 20.0
    """A call that takes longer is given up."""

    enabled: bool = True
    """Use it at all."""

    def __post_init__(self) -> None:
        if bool(self.command) == bool(self.url):
            raise ValueError("give either `command` or `url`")
        if self.url and not _is_http(self.url):
            raise ValueError("`url` must begin with http:// or https:// and name a host")
        for name in ("env", "folder") if self.url else ("headers",):
            if getattr(self, name):
                raise ValueError(f"`{name}` does not go with `{'url' if self.url else 'command'}`")

    def allows(self, tool: str) -> bool:
        """Whether the model may call it."""
        return _names(self.allow, tool)

    def confirms(self, tool: str, *, destructive: bool) -> bool:
        """Whether it needs a yes; a server's own word can only make that stricter."""
        return destructive if self.confirm is None else _names(self.confirm, tool)

    def reads_only(self, tool: str, *, read_only: bool) -> bool:
        """Whether it changes nothing; a server's own word counts only where it is asked for."""
        return tool in self.read_only or (read_only and ALL in self.read_only)


def _names(listed: tuple[str, ...], tool: str) -> bool:
    return ALL in listed or tool in listed


def _is_http(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        return False
