"""One answer of the `llama` backend, as a few completions in one slot.

An ordinary answer is one completion, streamed as it is written. Where its first token shows that
the model may want to call a tool, the name is asked for with a grammar, and if that is clear
enough (`calling`), the arguments with the grammar of their schema; and then whether there is
another call to make. Each completion finds all before it in the slot's cache.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any, Final

from voice.server import calling, chatml
from voice.server.backend import (
    Finished,
    Misconfigured,
    Piece,
    Prompt,
    TextDelta,
    Tool,
    ToolCall,
)
from voice.server.engine import Chunk, Engine

OUTPUT_TOKENS: Final = 1024
"""Longest answer where the request sets no limit: small models sometimes do not find an end."""

MOST_CALLS: Final = 4
"""In one answer."""

_ARGUMENT_TOKENS: Final = 256
_NAME_TOKENS: Final = 64
_RESERVE_TOKENS: Final = 256
"""Room for the answer that a prompt must leave in the context."""

_LIKELIEST: Final = 20
"""How many tokens' probabilities are looked at; a brace that is not among them is unlikely."""

_SAMPLING: Final = {"temperature": 0.7, "top_p": 0.8, "top_k": 20, "repeat_penalty": 1.05}
"""What Qwen2.5's `generation_config.json` recommends, where the request says nothing."""

_READ: Final = {"n_predict": 0}

_NO_CALL: Final = {"logit_bias": [[token, False] for token in calling.BRACES]}

_Judge = Callable[[float, float], bool]
"""Whether to call, from the probability of a call and that of a tool's name."""


class UnusableSchema(Misconfigured):
    """llama.cpp cannot make a grammar of the schema that the answer's text shall follow."""


class Answer:
    """What the model says to `prompt` (rendered: `text`) in a slot of the engine."""

    def __init__(self, engine: Engine, slot: int, prompt: Prompt, text: str) -> None:
        self.written = ""
        """What was generated after `text` so far."""
        self._engine, self._slot = engine, slot
        self._prompt, self._text = prompt, text
        self._limit_tokens = prompt.max_output_tokens or OUTPUT_TOKENS
        self._input_tokens: int | None = None
        self._cached_tokens = 0
        self._output_tokens = 0
        """Of the answer, up to the last chunk."""
        self._full = False
        """A call was begun that has no room."""

    async def pieces(self) -> AsyncGenerator[Piece, None]:
        """Text or calls, then `Finished`. Raises as `Engine.stream` does, and `UnusableSchema`."""
        if self._prompt.schema is not None:
            await self._prove(self._prompt.schema)
        tools = chatml.callable_tools(self._prompt)
        options = self._text_options()
        if tools:
            probability = None
            if self._prompt.tool_choice == "auto":
                async with aclosing(self._complete("", options)) as chunks:
                    first = await anext(chunks)
                    probability = self._call_probability(first)
                    if probability < calling.CANDIDATE_PROBABILITY:
                        async for piece in self._words(first, chunks):
                            yield piece
                        return
            call = await self._call(tools, probability, self._is_call)
            if call is not None:
                yield call
                async for piece in self._other_calls(tools, call):
                    yield piece
                yield self._finished(reached_limit=False)
                return
            if self._full:
                yield self._finished(reached_limit=True)
                return
        if self._prompt.tools and self._prompt.schema is None:
            options |= _NO_CALL
        async with aclosing(self._complete("", options)) as chunks:
            async for piece in self._words(await anext(chunks), chunks):
                yield piece

    async def prepare(self) -> Finished:
        """Only read the prompt."""
        _, last = await self._whole("", _READ)
        return Finished(last.input_tokens, last.cached_tokens, 0)

    async def try_grammar(self) -> None:
        """Write a token under a grammar: the first one of all takes llama.cpp 0.8 s more."""
        grammar = calling.name_grammar(self._prompt.tools)
        await self._whole("", {"grammar": grammar, "n_predict": 1, "temperature": 0})

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
        yield self._finished(chunk.finish_reason == "length")

    async def _prove(self, schema: dict[str, Any]) -> None:
        options = {"grammar": calling.proof_grammar(schema), "n_predict": 1, "temperature": 0}
        if not (await self._whole("", options))[0].startswith(calling.PROOF):
            raise UnusableSchema(
                "llama.cpp cannot make a grammar of the JSON schema",
                "use types, properties, items, enum, anyOf and references inside the schema",
            )

    # ── calls ────────────────────────────────────────────────────────────────────────────────

    def _call_probability(self, first: Chunk) -> float:
        """Where the answer is JSON anyway, a brace says nothing."""
        probability = calling.begins_call(first.probabilities or {})
        return probability if self._prompt.schema is None else min(probability, 0.5)

    def _is_call(self, call_probability: float, name_probability: float) -> bool:
        least = calling.least_odds(self._engine.weights_bytes)
        return calling.is_call(call_probability, name_probability, least)

    async def _call(
        self, tools: Sequence[Tool], probability: float | None, judge: _Judge
    ) -> ToolCall | None:
        """The call after what is written, or None where none is meant or there is no room.

        Without a probability a call is demanded.
        """
        gap = "\n" if self.written else ""
        tool = await self._choose(tools, gap, probability, judge)
        if tool is None:
            return None
        begun = f"{self.written}{gap}{chatml.CALL_START}{tool.name}{chatml.ARGUMENTS_START}"
        if calling.takes_nothing(tool):
            self.written = f"{begun}{calling.NO_ARGUMENTS}}}"
            await self._whole(self.written, _READ)
            return ToolCall(tool.name, calling.NO_ARGUMENTS)
        for grammar in calling.arguments_grammars(tool):
            options = {
                "grammar": grammar,
                "n_predict": min(_ARGUMENT_TOKENS, self._room()),
                "temperature": 0,
            }
            text, last = await self._whole(begun, options)
            arguments = calling.valid_arguments(text.removesuffix("}"), tool)
            if self._output_tokens > self._limit_tokens:
                break
            if arguments is not None:
                self.written = begun + text
                return ToolCall(tool.name, arguments)
            if last.finish_reason == "length" and last.output_tokens < _ARGUMENT_TOKENS:
                break
        else:
            return None
        self._full = True
        return None

    async def _other_calls(
        self, tools: Sequence[Tool], call: ToolCall
    ) -> AsyncGenerator[ToolCall, None]:
        """More calls in the same answer. One that was made already is the end."""
        prompt, made = self._prompt, [call]
        if not prompt.parallel_calls or prompt.tool_choice not in ("auto", "required"):
            return
        options = {"n_predict": 1, "temperature": 0, "n_probs": _LIKELIEST}
        while len(made) < MOST_CALLS and self._room() > 1:
            _, last = await self._whole(self.written, options)
            probability = calling.begins_call(last.probabilities or {})
            if probability < calling.ANOTHER_CANDIDATE_PROBABILITY:
                return
            before = self.written, self._output_tokens
            other = await self._call(tools, probability, calling.is_another)
            if other is None or other in made:
                self.written, self._output_tokens = before
                return
            made.append(other)
            yield other

    async def _choose(
        self, tools: Sequence[Tool], gap: str, probability: float | None, judge: _Judge
    ) -> Tool | None:
        if probability is None and len(tools) == 1:
            return tools[0]
        options = {
            "grammar": calling.name_grammar(tools),
            "n_predict": min(_NAME_TOKENS, self._room()),
            "temperature": 0,
            "n_probs": _LIKELIEST,
        }
        name, named = "", 1.0
        begun = f"{self.written}{gap}{chatml.CALL_START}"
        async with aclosing(self._complete(begun, options)) as chunks:
            async for chunk in chunks:
                if chunk.probabilities and probability is not None and not name.endswith('"'):
                    named *= calling.names_tool(chunk.probabilities, tools, name)
                    if not judge(probability, named):
                        return None
                name += chunk.text
        chosen = next((tool for tool in tools if f'{tool.name}"' == name), None)
        self._full = chosen is None
        return chosen

    def _room(self) -> int:
        return max(1, self._limit_tokens - self._output_tokens)

    # ── completions ──────────────────────────────────────────────────────────────────────────

    def _text_options(self) -> dict[str, Any]:
        prompt = self._prompt
        options: dict[str, Any] = dict(_SAMPLING)
        if prompt.temperature is not None:
            options["temperature"] = prompt.temperature
        if prompt.top_p is not None:
            options["top_p"] = prompt.top_p
        if prompt.schema is not None:
            options["grammar"] = calling.text_grammar(prompt.schema)
            options["repeat_penalty"] = 1.0  # JSON repeats itself
        options["n_predict"] = self._limit_tokens
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
                self._output_tokens = chunk.input_tokens + chunk.output_tokens - self._input_tokens
                yield chunk

    async def _whole(self, begun: str, options: dict[str, Any]) -> tuple[str, Chunk]:
        """All text of a completion, and its last chunk with probabilities of the first token."""
        text, first, last = "", None, None
        async with aclosing(self._complete(begun, options)) as chunks:
            async for last in chunks:
                first = first or last
                text += last.text
        assert first is not None
        assert last is not None
        return text, replace(last, probabilities=first.probabilities)

    def _finished(self, reached_limit: bool) -> Finished:
        """Output is what there is after the prompt: words, or calls."""
        assert self._input_tokens is not None
        output_tokens = min(self._output_tokens, self._limit_tokens)
        return Finished(self._input_tokens, self._cached_tokens, output_tokens, reached_limit)
