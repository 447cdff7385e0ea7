"""The servers that we know by name: where they are, whose key they want, what they can do.

Documented, as read on 2026-11-24; what no vendor's page promises counts as missing:

- OpenAI: the guides "WebSocket mode" and "Compaction" and the reference "WebSocket events"
  (developers.openai.com) have steering, `generate: false` and `context_management`.
  `response.cancel` is not in the published types, but pipecat sends it on every interruption.
- Azure: "Use the Responses API in WebSocket mode" (learn.microsoft.com) has chaining with
  `store: false`, the 60 minutes and keys as bearer tokens; of the rest we found only
  `POST /openai/v1/responses/compact`, which is not `context_management`.
- xAI: "WebSocket Mode" and "Context Compaction" (docs.x.ai) have chaining with `store: false` and
  `generate: false`; a connection lasts 25 minutes, and compaction is an endpoint of its own.
  Observed (opencode, pull request 48318 of 2026-09-10): chaining fails with `store: false`, and
  `instructions` are refused beside `previous_response_id`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final
from urllib.parse import urlsplit

from voice.addresses import is_loopback
from voice.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """A kind of server."""

    name: str
    """What `--agent` calls it; also for the log."""

    base_url: str = ""
    """Where it is served; a path below `address_variable`'s address if there is one."""

    address_variable: str = ""
    """The environment variable with the address of the user's own resource."""

    key_variable: str = "OPENAI_API_KEY"
    """The environment variable with the key. No vendor is ever sent another one's."""

    hosts: tuple[str, ...] = ()
    """Host names by which a URL is recognised, with all names below them."""

    steering: bool = False
    """Whether `response.steer` adds to a response that runs."""

    compaction: bool = False
    """Whether `context_management` compacts on the server, the chain going on as usual."""

    warm_up: bool = False
    """Whether `generate: false` prepares; a server that ignores it would answer aloud."""

    cancel: bool = False
    """Whether `response.cancel` may be sent on a WebSocket. Over HTTP the stream is just closed."""

    chaining: bool = True
    """Whether a WebSocket continues a response that was made with `store: false`."""

    connection_minutes: float = 60.0
    """How long a connection may last."""


PRESETS: Final[Mapping[str, Preset]] = MappingProxyType(
    {
        preset.name: preset
        for preset in (
            Preset(
                name="openai",
                base_url="https://api.openai.com/v1",
                hosts=("api.openai.com",),
                steering=True,
                compaction=True,
                warm_up=True,
                cancel=True,
            ),
            Preset(
                name="azure",
                base_url="/openai/v1",
                address_variable="AZURE_OPENAI_ENDPOINT",
                key_variable="AZURE_OPENAI_API_KEY",
                hosts=("openai.azure.com", "services.ai.azure.com", "cognitiveservices.azure.com"),
            ),
            Preset(
                name="xai",
                base_url="https://api.x.ai/v1",
                key_variable="XAI_API_KEY",
                hosts=("api.x.ai",),
                warm_up=True,
                chaining=False,
                connection_minutes=25.0,
            ),
            Preset(
                name="local",
                base_url="ws://127.0.0.1:8787/v1",
                steering=True,
                warm_up=True,
                cancel=True,
            ),
        )
    }
)

GENERIC: Final = Preset(name="generic")
"""A server that we do not know: nothing but the Responses API itself is expected of it."""


def resolve_agent(url_or_name: str, environment: Mapping[str, str]) -> tuple[str, str, Preset]:
    """Base URL, key and preset for `--agent`; the key is "" where none is needed.

    A name is looked up in `PRESETS`; a URL's host picks the preset, and this machine counts as
    `local`. Raises `UsageError`, which names the variable that is missing.
    """
    preset = PRESETS.get(url_or_name.strip().lower())
    if preset is None:
        base_url = url_or_name.strip()
        preset = _preset_at(_host(base_url))
        if preset.address_variable and urlsplit(base_url).path in ("", "/"):
            base_url = _below(base_url, preset)
    elif preset.address_variable:
        base_url = _below(_address(preset, environment), preset)
    else:
        base_url = preset.base_url
    key = environment.get(preset.key_variable, "").strip()
    host = _host(base_url)  # without one it is no address, which `endpoint` says better
    if host and not key and preset is not PRESETS["local"]:
        raise UsageError(
            f"no key for {host}", f"set {preset.key_variable} to that server's API key"
        )
    return base_url, key, preset


def _preset_at(host: str) -> Preset:
    if is_loopback(host):
        return PRESETS["local"]
    for preset in PRESETS.values():
        if any(host == known or host.endswith(f".{known}") for known in preset.hosts):
            return preset
    return GENERIC


def _host(base_url: str) -> str:
    """The host in an address, which may lack its scheme; "" if it has none."""
    try:
        return urlsplit(base_url if "://" in base_url else f"ws://{base_url}").hostname or ""
    except ValueError:
        return ""


def _address(preset: Preset, environment: Mapping[str, str]) -> str:
    """The address of the user's own resource."""
    address = environment.get(preset.address_variable, "").strip()
    if not address:
        raise UsageError(
            f"no address for --agent {preset.name}",
            f"set {preset.address_variable} to your resource's, such as https://NAME.{preset.hosts[0]}",
        )
    return address


def _below(address: str, preset: Preset) -> str:
    address = address.rstrip("/")
    return address if address.endswith(preset.base_url) else address + preset.base_url
