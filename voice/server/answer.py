"""One answer of the `llama` backend, as a few completions in one slot.

An ordinary answer is one completion, streamed as it is written. Where its first token shows that
the model may want to call a tool, the name is asked for with a grammar, and if that is clear
enough (`calling`), the arguments with the grammar of their schema. Each completion finds all
before it in the slot's cache.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any, Final

import xllamacpp

from voice.server import calling, chatml
from voice.server.backend import Finished, Piece, Prompt, TextDelta, Tool, ToolCall
from voice.server.engine import Chunk, Engine

OUTPUT_TOKENS: Final = 1024
"""Longest answer where the request sets no limit: small models sometimes do not find an end."""

_ARGUMENT_TOKENS: Final = 256
_RESERVE_TOKENS: Final = 256
"""Room for the answer that a prompt must leave in the context."""

_LIKELIEST: Final = 20
"""How many tokens' probabilities are looked at; a brace that is not among them is unlikely."""

_SAMPLING: Final = {"temperature": 0.7, "top_p": 0.8, "top_k": 20, "repeat_penalty": 1.05}
"""What Qwen2.5's `generation_config.json` recommends, where the request says nothing."""

_NO_CALL: Final = {"logit_bias": [[token, False] for token in calling.BRACES]}


class Answer:
    """What the model says to `prompt` (rendered: `text`) in a slot of the engine."""

    def __init__(self, engine: Engine, slot: int, prompt: Prompt, text: str) -> None:
        self.written = ""
        """What was generated after `text` so far."""
        self._engine, self._slot = engine, slot
        self._prompt, self._text = prompt, text
        self._input_tokens: int | None = None
        self._cached_tokens = 0

    async def pieces(self) -> AsyncGenerator[Piece, None]:
        """Text or a call, then `Finished`. Raises as `Engine.stream` does."""
        tools = chatml.callable_tools(self._prompt)
        options = self._text_options()
        if tools:
            probability = None
            if self._prompt.tool_choice == "auto":
                async with aclosing(self._complete("", options)) as chunks:
                    first = await anext(chunks)
                    probability = calling.begins_call(first.probabilities or {})
                    if probability < calling.CANDIDATE_PROBABILITY:
                        async for piece in self._words(first, chunks):
                            yield piece
                        return
            called = await self._call(tools, probability)
            for piece in called:
                yield piece
            if called:
                return
        if self._prompt.tools:
            options |= _NO_CALL
        async with aclosing(self._complete("", options)) as chunks:
            async for piece in self._words(await anext(chunks), chunks):
                yield piece

    async def prepare(self) -> Finished:
        """Only read the prompt."""
        _, last = await self._whole("", {"n_predict": 0})
        return Finished(last.input_tokens, last.cached_tokens, 0)

    async def _words(
        self, first: Chunk, chunks: AsyncGenerator[Chunk, None]
    ) -> AsyncGenerator[Piece, None]:
        chunk = first
        self.written = chunk.text
        if chunk.text:
            yield TextDelta(chunk.text)
        async for chunk in chunks:
            self.written += chunk.text
            if chunk.text:
                yield TextDelta(chunk.text)
        yield self._finished(chunk, chunk.finish_reason == "length")

    async def _call(self, tools: Sequence[Tool], call_probability: float | None) -> list[Piece]:
        """The call with `Finished`, or nothing where none is meant.

        Without a probability a call is demanded.
        """
        tool = await self._choose(tools, call_probability)
        if tool is None:
            return []
        begun = f"{chatml.CALL_START}{tool.name}{chatml.ARGUMENTS_START}"
        for schema in calling.arguments_schemas(tool):
            grammar = xllamacpp.json_schema_to_grammar(schema)
            options = {"grammar": grammar, "n_predict": _ARGUMENT_TOKENS, "temperature": 0}
            text, last = await self._whole(begun, options)
            arguments = calling.valid_arguments(text)
            if arguments is not None:
                self.written = f"{begun}{text}}}"
                return [ToolCall(tool.name, arguments), self._finished(last)]
        return []

    async def _choose(self, tools: Sequence[Tool], call_probability: float | None) -> Tool | None:
        if call_probability is None and len(tools) == 1:
            return tools[0]
        options = {
            "grammar": calling.name_grammar(tools),
            "n_predict": 64,
            "temperature": 0,
            "n_probs": _LIKELIEST,
        }
        name = ""
        async with aclosing(self._complete(chatml.CALL_START, options)) as chunks:
            async for chunk in chunks:
                if not name and chunk.probabilities and call_probability is not None:
                    name_probability = calling.names_tool(chunk.probabilities, tools)
                    if not calling.is_call(call_probability, name_probability):
                        return None
                name += chunk.text
        return next((tool for tool in tools if f'{tool.name}"' == name), None)

    # ── completions ──────────────────────────────────────────────────────────────────────────

    def _text_options(self) -> dict[str, Any]:
        prompt = self._prompt
        options: dict[str, Any] = dict(_SAMPLING)
        if prompt.temperature is not None:
            options["temperature"] = prompt.temperature
        if prompt.top_p is not None:
            options["top_p"] = prompt.top_p
        options["n_predict"] = prompt.max_output_tokens or OUTPUT_TOKENS
        options["stop"] = list(prompt.stop)
        options["n_probs"] = _LIKELIEST if prompt.tools else 0
        return options

    async def _complete(self, begun: str, options: dict[str, Any]) -> AsyncGenerator[Chunk, None]:
        text = self._text + begun
        stream = self._engine.stream(self._slot, text, _RESERVE_TOKENS, options)
        async with aclosing(stream) as chunks:
            async for chunk in chunks:
                if self._input_tokens is None:
                    self._input_tokens = chunk.input_tokens
                    self._cached_tokens = chunk.cached_tokens
                yield chunk

    async def _whole(self, begun: str, options: dict[str, Any]) -> tuple[str, Chunk]:
        text, last = "", None
        async with aclosing(self._complete(begun, options)) as chunks:
            async for last in chunks:
                text += last.text
        assert last is not None
        return text, last

    def _finished(self, last: Chunk, reached_limit: bool = False) -> Finished:
        """Output is what the last completion had after the prompt: its words, or the call."""
        assert self._input_tokens is not None
        output_tokens = last.input_tokens + last.output_tokens - self._input_tokens
        return Finished(self._input_tokens, self._cached_tokens, output_tokens, reached_limit)
