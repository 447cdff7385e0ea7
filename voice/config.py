"""Configuration: a TOML file, then the environment, then flags, into frozen options.

`VOICE_<SECTION>_<KEY>` in the environment sets `key` in `[section]`. A key that does not exist is
an error that names the nearest one that does.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import platformdirs
from msgspec import Meta

from voice.errors import UsageError
from voice.listen.gate import GateOptions
from voice.listen.options import ListenOptions
from voice.responses.journal_options import JournalOptions
from voice.responses.options import AgentOptions
from voice.speak.options import SpeakOptions
from voice.tools.options import ToolOptions
from voice.turns.options import BargeInOptions, TurnOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioOptions:
    """Which sound devices to use."""

    input: str = ""
    """Microphone: its number or (part of) its name as `voice devices` shows it; "": the default."""

    output: str = ""
    """Speaker, likewise."""

    echo_cancellation: bool = True
    """Take the assistant's own voice out of what the microphone hears; no harm with headphones."""

    noise_suppression: bool = False
    """WebRTC's, with the echo cancellation. All detectors were measured without it."""

    gain_control: bool = False
    """WebRTC's, likewise. It also moves the background with which all levels are compared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScreenOptions:
    """How `voice run` looks on a terminal."""

    theme: Literal["dark", "light"] = "dark"
    """Its colours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KioskOptions:
    """How `voice kiosk` works where nobody sits at it."""

    activation: Literal["always", "wake-word", "button"] = "always"
    """What a visitor does to be heard: nothing, saying the wake word, or pressing a button."""

    wake_word: str = "hey_jarvis"
    """Which word: alexa, hey_jarvis, hey_mycroft or okay_nabu (docs/kiosk.md compares them)."""

    follow_up_seconds: Annotated[float, Meta(gt=0)] = 8.0
    """After an answer, time in which a visitor is heard without another wake word or press."""

    forget_seconds: Annotated[float, Meta(gt=0)] = 45.0
    """Silence after which a visit is over and all that was said in it is forgotten."""

    button: Literal["none", "stdin", "socket"] = "none"
    """Where presses come from: lines on standard input, or on a Unix socket (`button_socket`)."""

    button_socket: str = ""
    """Path of that socket; "": `button` in the runtime folder of the user."""

    status_port: int = 8788
    """Port on this machine of /healthz, /readyz, /metrics and the status page; -1: none."""

    show_transcript: bool = False
    """Whether the status page shows what was said, and the log tells it."""

    state_socket: str = ""
    """Path of a Unix socket that tells screens and lights the state as JSON lines; "": none."""

    stalled_seconds: Annotated[float, Meta(gt=0)] = 10.0
    """A stage that does nothing for so long although it has work is begun anew."""

    fallback: Literal["local", "none"] = "local"
    """Who answers while the server in [agent] cannot be reached."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerOptions:
    """What `voice serve` does, and the server that `voice run` starts for itself.

    The latter has an address, a key and an end of its own.
    """

    host: str = "127.0.0.1"
    """Address to listen on; anything beyond this machine needs a key."""

    port: int = 8787
    """Port; 0 picks a free one."""

    key: str = ""
    """What clients must show. Better in VOICE_SERVER_KEY than in a file."""

    backend: Literal["llama", "script", "upstream"] = "llama"
    """Who writes: a language model in the process, a script, or another server."""

    model: str = "auto"
    """A language model by name (`voice models list`) or a GGUF file; `auto`: what suits here.
    Of an upstream server, its name there; `auto`: the first that it lists."""

    threads: int = 0
    """Cores for the model; 0: the machine's physical cores."""

    keep_instructions: bool = True
    """The server of `voice run` and of a kiosk keeps what the model has read of instructions and
    tools for the next start, whose first answer need not wait for it then: in the cache, at most
    four files of 12 to 28 kB a token. Nothing that is said is in them. `voice serve` keeps none."""

    context_tokens: int = 4096
    """Longest conversation that the model sees at once, in tokens. Two are kept; of both together
    a token takes 24 kB of memory with the 0.5 B model and 56 with the 1.5 B."""

    connection_seconds: Annotated[float, Meta(gt=0)] = 3600.0
    """Age at which the server ends a connection, as the big ones do."""

    connections: Annotated[int, Meta(gt=0)] = 500
    """Connections at the same time."""

    names: str = ""
    """Names besides this machine's own that clients may call the server by, such as a reverse
    proxy's, with commas between them."""

    store: str = ""
    """File that keeps the responses that clients ask to be stored, made when the first is; "": in
    your data folder."""

    store_days: Annotated[float, Meta(gt=0)] = 30.0
    """Age at which a stored response is deleted."""

    goodbye_seconds: Annotated[float, Meta(ge=0)] = 5.0
    """What runs may end in this time after SIGTERM or Ctrl-C."""

    script: str = ""
    """File with the script backend's replies; "": it echoes."""

    ttft: float = 0.0
    """Script backend: seconds to the first token."""

    tokens_per_second: float = 0.0
    """Script backend: speed of the tokens; 0: all at once."""

    upstream: str = ""
    """Upstream backend: base URL of any server with OpenAI's chat completions (Ollama, vLLM,
    llama-server, LM Studio). Its key, if it wants one, comes from VOICE_UPSTREAM_KEY alone."""

    warm: bool = True
    """Upstream backend: let that server read words while they are spoken, with a request for one
    token each time that is dropped. Off where requests or tokens cost money."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Everything that can be chosen."""

    audio: AudioOptions = field(default_factory=AudioOptions)
    gate: GateOptions = field(default_factory=GateOptions)
    listen: ListenOptions = field(default_factory=ListenOptions)
    turns: TurnOptions = field(default_factory=TurnOptions)
    barge_in: BargeInOptions = field(default_factory=BargeInOptions)
    agent: AgentOptions = field(default_factory=AgentOptions)
    journal: JournalOptions = field(default_factory=JournalOptions)
    speak: SpeakOptions = field(default_factory=SpeakOptions)
    tools: ToolOptions = field(default_factory=ToolOptions)
    screen: ScreenOptions = field(default_factory=ScreenOptions)
    kiosk: KioskOptions = field(default_factory=KioskOptions)
    server: ServerOptions = field(default_factory=ServerOptions)


Settings = dict[str, dict[str, Any]]

_SECTIONS = {section.name: section.default_factory for section in fields(Options)}
_KEYS = {
    name: {key.name for key in fields(section)}  # type: ignore[arg-type]
    for name, section in _SECTIONS.items()
}


def user_path() -> Path:
    """Where a user's own configuration lies: what is read where no other is named."""
    return platformdirs.user_config_path("voice") / "config.toml"


def load(
    path: Path | None,
    environment: Mapping[str, str],
    flags: Mapping[str, Mapping[str, Any]],
) -> Options:
    """The options from a file (None: defaults), the environment and flags.

    Flags are nested by section; those that are None were not given. Raises `UsageError`.
    """
    given = {
        section: {key: value for key, value in values.items() if value is not None}
        for section, values in flags.items()
    }
    from_file = _build(_read(path), Options(), str(path), strict=True) if path else Options()
    from_environment = _build(_from(environment), from_file, "the environment", strict=False)
    return _build(given, from_environment, "the command line", strict=False)


def _read(path: Path) -> Settings:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"the configuration {path} cannot be read: {getattr(error, 'strerror', error)}",
            "check --config; examples are in the folder configs/",
        ) from error
    try:
        settings = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path} is not valid TOML: {error}", "mend that line") from error
    for section, values in settings.items():
        _check(section, _KEYS, f"{path}: there is no section [{section}]")
        if not isinstance(values, dict):
            raise UsageError(f"{path}: {section} must be a section", f"write [{section}]")
    return settings


def _from(environment: Mapping[str, str]) -> Settings:
    settings: Settings = {}
    for name, value in environment.items():
        for section in _SECTIONS:
            prefix = f"VOICE_{section}_".upper()
            if name.startswith(prefix) and (key := name.removeprefix(prefix).lower()):
                settings.setdefault(section, {})[key] = value
    return settings


def _build(settings: Mapping[str, Any], base: Options, origin: str, *, strict: bool) -> Options:
    sections: dict[str, Any] = {}
    for name in _SECTIONS:
        current = getattr(base, name)
        values = {key.name: getattr(current, key.name) for key in fields(current)}
        for key, value in settings.get(name, {}).items():
            _check(key, values, f"{origin}: there is no key {name}.{key}")
            values[key] = _convert(value, type(current), key, f"{origin}: {name}.{key}", strict)
        sections[name] = type(current)(**values)
    return Options(**sections)


def _convert(value: Any, section: type, key: str, where: str, strict: bool) -> Any:
    try:
        whole: Any = msgspec.convert({key: value}, section, strict=strict)
    except msgspec.ValidationError as error:
        reason, _, path = str(error).partition(" - at `$.")
        inside = path.rstrip("`").removeprefix(key)
        given = "" if isinstance(value, dict) else f" = {value!r}"  # which may hold a key
        raise UsageError(
            f"{where}{inside}{given}: {reason}", "see the comments in configs/"
        ) from error
    return getattr(whole, key)


def _check(name: str, known: Mapping[str, Any] | set[str], problem: str) -> None:
    if name in known:
        return
    nearest = difflib.get_close_matches(name, list(known), n=1, cutoff=0.0)
    raise UsageError(problem, f"did you mean {nearest[0]}?")
