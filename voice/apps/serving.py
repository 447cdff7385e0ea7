"""`voice serve`: the options of the command line to a server that runs until it is told to end."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import platformdirs

from voice.config import ServerOptions
from voice.models.resolve import this_machines_llm, weights
from voice.server.limits import Limits
from voice.server.serve import ServeOptions, say_ready, serve


def run_server(options: ServerOptions) -> None:
    """Serve, saying `listening on …` on stdout when ready. Raises `VoiceError`."""
    chosen = ServeOptions(
        host=options.host,
        port=options.port,
        key=options.key,
        backend=options.backend,
        model=_model(options),
        threads=options.threads or None,
        context_tokens=options.context_tokens,
        upstream=options.upstream,
        upstream_model="" if options.model == "auto" else options.model,
        upstream_key=os.environ.get("VOICE_UPSTREAM_KEY", ""),
        warm=options.warm,
        connection_seconds=options.connection_seconds,
        script=Path(options.script) if options.script else None,
        ttft_seconds=options.ttft,
        tokens_per_second=options.tokens_per_second,
        store=_store(options),
        store_seconds=options.store_days * 86_400,
        names=tuple(name.strip() for name in options.names.split(",") if name.strip()),
        limits=Limits(connections=options.connections),
        goodbye_seconds=options.goodbye_seconds,
    )
    asyncio.run(serve(chosen, say_ready))


def _store(options: ServerOptions) -> Path:
    if options.store:
        return Path(options.store)
    return platformdirs.user_data_path("voice") / "responses.sqlite"


def _model(options: ServerOptions) -> Path | None:
    if options.backend != "llama":
        return None
    name = this_machines_llm() if options.model == "auto" else options.model
    return weights(name, ".gguf")
