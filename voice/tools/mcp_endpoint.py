"""Where an MCP server is, with the secrets that it wants to see."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from voice.errors import UsageError
from voice.tools.mcp_options import McpServerOptions

FROM_ENVIRONMENT = "env:"
"""Before a variable's name: its value stands in the environment, not in the file."""

SHORTEST_SECRET = 4
"""Characters; what is shorter is none, and stands in many a text."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A server by its name in the configuration; made by `endpoint`."""

    name: str
    options: McpServerOptions = field(repr=False)
    env: dict[str, str] = field(repr=False)
    headers: dict[str, str] = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False)
    """Texts to take out of all that is said about the server, the longest first."""

    @property
    def place(self) -> str:
        """The program, or the address without what may be secret in it."""
        if self.options.command:
            return self.options.command[0]
        parts = urlsplit(self.options.url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"

    @property
    def folder(self) -> Path | None:
        """Where the program runs; None: here."""
        return Path(self.options.folder).expanduser() if self.options.folder else None

    def redact(self, text: str) -> str:
        """The text without the secrets."""
        for secret in self.secrets:
            text = text.replace(secret, "…")
        return text


def endpoint(name: str, options: McpServerOptions, environment: Mapping[str, str]) -> Endpoint:
    """The server `name` as configured, with what stands in the environment.

    Raises `UsageError` for a variable that is not set.
    """
    env = _resolved(f"[tools.mcp.{name}] env", options.env, environment)
    headers = _resolved(f"[tools.mcp.{name}] headers", options.headers, environment)
    hidden = [value for key, value in env.items() if value != options.env[key]]
    hidden += headers.values()
    hidden += [value.rpartition(" ")[2] for value in headers.values()]  # after "Bearer"
    hidden += [urlsplit(options.url).query, urlsplit(options.url).password or ""]
    secrets = {secret for secret in hidden if len(secret) >= SHORTEST_SECRET}
    return Endpoint(name, options, env, headers, tuple(sorted(secrets, key=len, reverse=True)))


def _resolved(
    where: str, values: Mapping[str, str], environment: Mapping[str, str]
) -> dict[str, str]:
    found = {}
    for key, value in values.items():
        found[key] = value
        if value.startswith(FROM_ENVIRONMENT):
            variable = value.removeprefix(FROM_ENVIRONMENT)
            if not (given := environment.get(variable)):
                raise UsageError(
                    f"{where}.{key}: {variable} is not set in the environment",
                    "set it, or leave the server out with `enabled = false`",
                )
            found[key] = given
    return found
