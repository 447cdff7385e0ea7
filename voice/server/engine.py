"""llama.cpp in this process: completions as streams that stop when nobody reads them.

The model runs in threads of `xllamacpp`; each completion blocks one worker thread, whose callback
hands chunks to the event loop. A callback that returns True ends its completion: within a token
(some 30 ms) while it generates, within a batch while it reads the prompt.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import logging
import mmap
import os
import secrets
import struct
from collections.abc import AsyncGenerator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final
from urllib.parse import urlsplit

# Threads of a computation wait for each other hundreds of times a token. OpenMP lets them spin,
# and where another program wants the core, the one they wait for does not get it: on two busy
# cores that made a token 2 to 6 times as slow as sleeping does. Alone, sleeping costs a third of
# the speed (25 instead of 37 tokens/s), but a model in a conversation is seldom alone. Read when
# the library loads.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import xllamacpp

from voice.errors import ModelError, ServerError
from voice.server import chatml
from voice.server.backend import PromptTooLong
from voice.server.calling import probabilities

BUILD: Final = str(xllamacpp.__version__)
"""Of llama.cpp's bindings, and so of llama.cpp."""

SLOTS: Final = 2
"""Completions at the same time. One conversation needs one; the other keeps a second's prefix."""

_BATCH_TOKENS: Final = 64
"""Prompt tokens computed at once, and so the longest delay of a stop: 0.4 s on two busy cores.
Larger ones read prompts hardly faster there (256: 163 tokens/s, 64: 147)."""

_MOVE_SECONDS: Final = 10.0
"""A slow disk writes a hundred megabytes in this time."""

_GGUF: Final = b"GGUF"
_TEMPLATE_KEY: Final = b"tokenizer.chat_template"
_TEXT: Final = struct.Struct("<IQ")
_HEAD_BYTES: Final = 64 << 20
"""More than the head takes: some 6 MB, most of it the vocabulary."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Chunk:
    """A step of a completion. Token counts are up to here."""

    text: str
    probabilities: dict[str, float] | None
    """Of the likeliest tokens at this step, where asked for with `n_probs`."""
    finish_reason: str | None
    """`stop` or `length` on the last chunk."""
    input_tokens: int
    cached_tokens: int
    output_tokens: int


class Engine:
    """A loaded model."""

    def __init__(self, server: Any, key: str, context_tokens: int, weights_bytes: int) -> None:
        """`key` of the server's own HTTP listener."""
        self._server, self._key = server, key
        self.context_tokens = context_tokens
        self.weights_bytes = weights_bytes
        self._workers = ThreadPoolExecutor(SLOTS, "llama")

    @classmethod
    async def open(
        cls, path: Path, threads: int | None, context_tokens: int, states: Path | None = None
    ) -> Engine:
        """Load the model at `path`; `save` writes to the folder `states`. Raises `ModelError`."""
        weights_bytes = await asyncio.to_thread(_check_file, path)
        params = _params(path, threads, context_tokens)
        if states is not None:
            params.slot_save_path = f"{states}{os.sep}"
        try:
            server = await asyncio.to_thread(xllamacpp.Server, params)
        except RuntimeError:
            raise ModelError(
                f"llama.cpp cannot load the model {path}",
                "the file is damaged or of an unknown kind: `voice models verify` tells, "
                "`voice models fetch` gets it anew",
            ) from None
        return cls(server, params.api_keys[0], context_tokens, weights_bytes)

    async def stream(
        self, slot: int, prompt: str, reserve_tokens: int, options: Mapping[str, Any]
    ) -> AsyncGenerator[Chunk, None]:
        """Complete `prompt`. Closing the generator stops the work and waits until it has stopped.

        Raises `PromptTooLong` where less than `reserve_tokens` of the context would be left, and
        `ServerError` where llama.cpp refuses.
        """
        request = {
            "prompt": prompt,
            "id_slot": slot,
            "stream": True,
            "cache_prompt": True,
            "return_progress": True,  # so that a stop takes effect while the prompt is read
            "timings_per_token": True,
            **options,
        }
        completion = _Completion(asyncio.get_running_loop())
        work = asyncio.get_running_loop().run_in_executor(
            self._workers, completion.run, self._server, request
        )
        try:
            while (raw := await completion.chunks.get()) is not None:
                _check(raw, self.context_tokens - reserve_tokens)
                if "prompt_progress" not in raw:
                    yield _chunk(raw)
            await work
        finally:
            completion.abandoned = True
            await asyncio.wait([work])

    async def save(self, slot: int, name: str) -> int:
        """Write the slot's states to a file; returns its size in bytes, 0 where that failed."""
        return int((await self._move(slot, "save", name)).get("n_written", 0))

    async def restore(self, slot: int, name: str) -> bool:
        """Read the slot's states from a file; without success it has none."""
        return bool((await self._move(slot, "restore", name)).get("n_restored"))

    async def _move(self, slot: int, action: str, name: str) -> dict[str, Any]:
        """The library's own HTTP listener alone can do it."""
        return await asyncio.to_thread(
            _post,
            self._server.listening_address,
            f"/slots/{slot}?action={action}",
            {"filename": name},
            self._key,
        )

    async def close(self) -> None:
        """Free the model. Streams must have been closed before."""
        await asyncio.to_thread(self._workers.shutdown)
        self._server = None  # the last reference: the library ends its threads


class _Completion:
    """One completion on its worker thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.chunks: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        self.abandoned = False
        self._loop = loop

    def run(self, server: Any, request: dict[str, Any]) -> None:
        if not self.abandoned:
            try:
                server.handle_completions(request, self._receive)
            except RuntimeError as error:
                self._hand_over({"error": {"message": str(error)}})
        self._hand_over(None)

    def _receive(self, raw: dict[str, Any]) -> bool:
        self._hand_over(raw)
        return self.abandoned

    def _hand_over(self, raw: dict[str, Any] | None) -> None:
        self._loop.call_soon_threadsafe(self.chunks.put_nowait, raw)


def _post(base: str, path: str, body: dict[str, Any], key: str) -> dict[str, Any]:
    """The answer; an empty one where there is none."""
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    connection = http.client.HTTPConnection(urlsplit(base).netloc, timeout=_MOVE_SECONDS)
    try:
        connection.request("POST", path, json.dumps(body), headers)
        answer = json.loads(connection.getresponse().read())
    except (OSError, http.client.HTTPException, ValueError) as error:
        answer = {"error": str(error)}
    finally:
        connection.close()
    if "error" in answer:
        log.info("llama.cpp refused %s: %s", path, answer["error"])
    return dict(answer)


def _params(path: Path, threads: int | None, context_tokens: int) -> Any:
    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    # A cache for each slot. In a common one each token looks at the other slot's cells, too, if
    # only to leave them out: with 2,600 tokens there 74 tokens/s are read instead of 131.
    params.kv_unified = False
    params.n_ctx = context_tokens * SLOTS
    params.n_parallel = SLOTS
    params.n_batch = params.n_ubatch = _BATCH_TOKENS
    params.cache_ram_mib = 0  # else prompts of slots would be kept in up to 8 GiB
    params.cache_idle_slots = False
    params.no_extra_bufts = True  # repacked weights: no faster here, 600 MB more for the 1.5 B
    params.warmup = False
    # On two cores it makes a token at 2,500 tokens of context dearer (75 ms instead of 51); reading
    # a prompt is 7 % dearer without.
    params.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    # Waiting threads sleep: no slower alone, and steadier when speech models need the cores too.
    params.cpuparams.poll = params.cpuparams_batch.poll = 0
    params.verbosity = -1
    if threads is not None:
        params.cpuparams.n_threads = threads
        params.cpuparams_batch.n_threads = threads
    # The library always opens an HTTP listener of its own, on a free loopback port.
    params.api_keys = [secrets.token_urlsafe(32)]
    params.n_threads_http = 1
    params.endpoint_slots = False
    params.ui = False
    return params


def _check_file(path: Path) -> int:
    """Its size in bytes."""
    try:
        with path.open("rb") as file:
            size_bytes = os.fstat(file.fileno()).st_size
            magic = file.read(len(_GGUF))
            template = chat_template(file) if magic == _GGUF else None
    except OSError as error:
        raise ModelError(
            f"the model {path} cannot be read: {error.strerror}", "`voice models fetch` gets it"
        ) from None
    if magic != _GGUF:
        raise ModelError(f"{path} is not a GGUF file", "`voice models fetch` gets a good one")
    if template is not None and chatml.TURN_START not in template:
        log.warning(
            "%s was trained on another chat format than ChatML, which it is spoken to in: "
            "expect poor answers, or take a Qwen model (`voice models list`)",
            path.name,
        )
    return size_bytes


def chat_template(file: BinaryIO) -> str | None:
    """What a GGUF file says of its chat format; None where it says nothing.

    In its head a key is followed by the type of its value (here 8: text), the length and the text.
    """
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as whole:
        key = whole.find(_TEMPLATE_KEY, 0, _HEAD_BYTES)
        start = key + len(_TEMPLATE_KEY) + _TEXT.size
        if key < 0 or start > len(whole):
            return None
        kind, length = _TEXT.unpack(whole[start - _TEXT.size : start])
        return whole[start : start + length].decode(errors="replace") if kind == 8 else None


def _check(raw: Mapping[str, Any], limit_tokens: int) -> None:
    error = raw.get("error")
    if isinstance(error, Mapping):
        if error.get("type") == "exceed_context_size_error":
            raise _too_long(int(error.get("n_prompt_tokens", 0)), limit_tokens)
        raise ServerError(f"llama.cpp refused: {error.get('message')}")
    progress = raw.get("prompt_progress")
    if isinstance(progress, Mapping) and progress["total"] > limit_tokens:
        raise _too_long(progress["total"], limit_tokens)


def _too_long(tokens: int, limit_tokens: int) -> PromptTooLong:
    return PromptTooLong(
        f"the conversation has {tokens} tokens, and {limit_tokens} fit",
        "begin a new one, or allow truncation",
    )


def _chunk(raw: Mapping[str, Any]) -> Chunk:
    choice, timings = raw["choices"][0], raw["timings"]
    content = (choice.get("logprobs") or {}).get("content")
    return Chunk(
        text=choice["text"],
        probabilities=probabilities(content[0]["top_logprobs"]) if content else None,
        finish_reason=choice["finish_reason"],
        input_tokens=timings["cache_n"] + timings["prompt_n"],
        cached_tokens=timings["cache_n"],
        output_tokens=timings["predicted_n"],
    )
