"""The backend that runs a Qwen2.5 instruct model with llama.cpp in this process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

from voice.server import chatml
from voice.server.answer import Answer
from voice.server.backend import Faults, Finished, Piece, Prompt, PromptTooLong
from voice.server.engine import BUILD, SLOTS, Engine
from voice.server.heads import HeadFiles, Heads
from voice.server.slots import SlotTable
from voice.server.truncation import windows

_CHARS_PER_TOKEN: Final = 4
"""Of English text; only the size of a truncation's steps depends on it."""


class LlamaBackend:
    """Answers of a local model: `SLOTS` at the same time, the others wait."""

    faults: Faults | None = None

    def __init__(self, engine: Engine, model: str, heads: Heads | None = None) -> None:
        self.model = model
        self._engine = engine
        self._heads = heads
        self._grammar_tried = False
        self._table = SlotTable(SLOTS)
        self._free = asyncio.Semaphore(SLOTS)

    @classmethod
    async def open(
        cls,
        path: Path,
        threads: int | None = None,
        context_tokens: int = 4096,
        heads: Path | None = None,
    ) -> LlamaBackend:
        """Load the model; heads of conversations are kept in that folder. Raises `ModelError`."""
        files = await asyncio.to_thread(HeadFiles.open, heads, path, BUILD) if heads else None
        engine = await Engine.open(path, threads, context_tokens, files.folder if files else None)
        return cls(engine, path.stem, Heads(engine, files) if files else None)

    async def close(self) -> None:
        """Free the model, when what is under way has been stopped."""
        await self._engine.close()

    async def generate(self, prompt: Prompt) -> AsyncGenerator[Piece, None]:
        """The answer. Where the conversation is too long, its oldest part is left out."""
        too_long: PromptTooLong | None = None
        for window in self._windows(prompt):
            text = chatml.render(window)
            async with self._slot(window, text) as slot:
                answer = Answer(self._engine, slot, window, text)
                try:
                    async with aclosing(answer.pieces()) as pieces:
                        async for piece in pieces:
                            yield piece
                    return
                except PromptTooLong as error:
                    too_long = error
                finally:
                    self._table.add(slot, answer.written)
        assert too_long is not None
        raise too_long

    async def prepare(self, prompt: Prompt) -> Finished:
        """Compute the prompt's key-value states, so that an answer to it starts sooner."""
        too_long: PromptTooLong | None = None
        for window in self._windows(prompt):
            text = chatml.render_open(window)
            async with self._slot(window, text) as slot:
                try:
                    answer = Answer(self._engine, slot, window, text)
                    finished = await answer.prepare()
                    if not window.items:
                        if self._heads:
                            await self._heads.keep(slot, text, finished.input_tokens)
                        await self._try_grammar(answer, window)
                    return finished
                except PromptTooLong as error:
                    too_long = error
        assert too_long is not None
        raise too_long

    def _windows(self, prompt: Prompt) -> list[Prompt]:
        if not prompt.may_truncate:
            return [prompt]
        step_chars = self._engine.context_tokens * _CHARS_PER_TOKEN // 2
        return [replace(prompt, items=items) for items in windows(prompt.items, step_chars)]

    @asynccontextmanager
    async def _slot(self, prompt: Prompt, text: str) -> AsyncIterator[int]:
        async with self._free:
            slot = self._table.take(text, prompt.ends)
            assert slot is not None, "the semaphore lets in as many as there are slots"
            try:
                if self._heads:
                    await self._heads.recall(slot, chatml.render_open(replace(prompt, items=())))
                yield slot
            finally:
                self._table.give_back(slot)

    async def _try_grammar(self, answer: Answer, prompt: Prompt) -> None:
        """Nobody waits for anything yet, as somebody would at the first call of a tool."""
        if prompt.tools and not self._grammar_tried:
            self._grammar_tried = True
            await answer.try_grammar()
