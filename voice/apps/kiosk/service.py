"""`voice kiosk`: the program around the kiosk, as a service manager wants it.

SIGTERM ends it in less than two seconds, SIGHUP makes it read its configuration anew. Its log is
on stderr, one JSON object a line.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from threading import Timer

from voice.apps.kiosk import memory
from voice.apps.kiosk.activation import Activation
from voice.apps.kiosk.health import Health
from voice.apps.kiosk.json_log import JsonLog
from voice.apps.kiosk.kiosk import Kiosk
from voice.apps.kiosk.native_stderr import kept_for_the_log
from voice.apps.kiosk.notify import Notifier
from voice.apps.kiosk.state_socket import StateSocket
from voice.apps.kiosk.status.server import serve_status
from voice.clock import MonotonicClock
from voice.config import Options
from voice.errors import UsageError, VoiceError, first_known
from voice.trace import Sink, Trace, TraceEvent, TraceFile

_GOODBYE_SECONDS = 1.5
"""What has not ended by then after SIGTERM is left to the kernel; a child ends with its pipe."""


class Service:
    """One kiosk after another: each configuration has its own."""

    def __init__(self, load: Callable[[], Options], log: JsonLog, sinks: list[Sink]) -> None:
        self._load = load
        self._clock = MonotonicClock()
        self._notifier = Notifier.from_environment(os.environ)
        self._log = log
        self._sinks = sinks
        self._kiosk: Kiosk | None = None
        self._tell = Trace(log, *sinks)

    async def run(self, options: Options) -> None:
        """Run until cancelled. Raises `VoiceError`s."""
        working: Options | None = None
        health = Health(self._clock.now, options.kiosk.show_transcript)
        self._tell = Trace(self._log, health, *self._sinks)
        while True:
            try:
                options, working = await self._run_kiosk(options, health), options
            except (UsageError, BaseExceptionGroup) as error:
                known = first_known(error)
                if working is None or not isinstance(known, UsageError):
                    raise
                self._refuse(known)
                options, working = working, None

    async def _run_kiosk(self, options: Options, health: Health) -> Options:
        visitors = partial(Activation, options.kiosk)
        state = StateSocket(options.kiosk.state_socket)
        async with serve_status(health, options.kiosk), state:
            sinks: list[Sink] = [self._log, health, state, *self._sinks]
            self._kiosk = Kiosk(options, self._notifier, visitors, *sinks)
            return await self._kiosk.run()

    def reload(self) -> None:
        """Read the configuration; one that is wrong is told, and the old one goes on."""
        self._notifier.reloading(time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000)
        try:
            options = self._load()
        except VoiceError as error:
            self._refuse(error)
        else:
            self._tell.mark("config.reloaded", self._clock.now())
            if self._kiosk:
                self._kiosk.replace(options)
        self._notifier.ready()

    def stop(self) -> None:
        """Tell that it ends."""
        self._notifier.stopping()
        self._tell.mark("kiosk.stopping", self._clock.now())

    def _refuse(self, error: VoiceError) -> None:
        now = self._clock.now()
        self._tell.mark("config.refused", now, problem=error.problem, cure=error.cure)


def run_kiosk(load: Callable[[], Options], trace: Path | None) -> None:
    """Run it until SIGTERM or Ctrl-C. Raises `VoiceError`s, perhaps in a group."""
    memory.prepare()
    options = load()
    level = logging.getLevelNamesMapping().get(os.environ.get("VOICE_LOG", "INFO").upper(), 20)
    with ExitStack() as stack:
        stderr = stack.enter_context(kept_for_the_log())
        log = JsonLog(stderr, level, words=options.kiosk.show_transcript)
        others = logging.INFO if level < logging.INFO else logging.WARNING
        logging.basicConfig(handlers=[log], level=others, force=True)
        sinks: list[Sink] = []
        if trace:
            file = TraceFile(trace)
            stack.callback(file.close)
            sinks.append(partial(_write, file))
        with contextlib.suppress(asyncio.CancelledError, KeyboardInterrupt):
            asyncio.run(_run(Service(load, log, sinks), options))


def _write(file: TraceFile, event: TraceEvent) -> None:
    """A disk that is full keeps nobody from talking."""
    with contextlib.suppress(OSError):
        file(event)


async def _run(service: Service, options: Options) -> None:
    task, loop = asyncio.current_task(), asyncio.get_running_loop()
    assert task is not None

    def stop() -> None:
        _end_soon(0)
        service.stop()
        task.cancel()

    loop.add_signal_handler(signal.SIGTERM, stop)
    loop.add_signal_handler(signal.SIGINT, stop)
    loop.add_signal_handler(signal.SIGHUP, service.reload)
    try:
        await service.run(options)
    except VoiceError:
        _end_soon(1)
        raise


def _end_soon(code: int) -> None:
    """Whatever still hangs then: a thread of a model, or of a sound server that is gone."""
    ending = Timer(_GOODBYE_SECONDS, os._exit, (code,))
    ending.daemon = True  # a program that ends by itself does so with its own code, and at once
    ending.start()
