"""Requests for nodes of the conversation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from msgspec import UNSET

from voice.responses.events import JsonObject, ResponseCreate
from voice.responses.lanes import Exchange
from voice.responses.options import AgentOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class Features:
    """What a server is known to understand beyond plain responses."""

    ahead: bool = True
    """Input that is only to be read (`generate: false`)."""

    steering: bool = False
    """User input for a response that still runs."""

    compaction: bool = False
    """Making a long conversation short by itself; a request that may do so cannot be steered."""

    cancel: bool = True
    """`response.cancel` on a WebSocket."""

    chaining: bool = True
    """Continuing a response on a WebSocket that was made with `store: false`."""


class Requests:
    """Makes requests; what stays the same in all of them is here."""

    def __init__(
        self,
        model: str,
        options: AgentOptions,
        features: Features,
        tools: Callable[[], list[JsonObject]],
    ) -> None:
        self.features = features
        self._model = model
        self._options = options
        self._tools = tools

    def make(self, exchange: Exchange) -> ResponseCreate:
        """The request of an exchange: it continues from the parent and sends the items since."""
        parent, definitions = exchange.parent, self._tools()
        exchange.compacts = self._compacts(exchange)
        return ResponseCreate(
            model=self._model,
            input=exchange.node.since(parent.node if parent else None),
            instructions=self._options.instructions,
            previous_response_id=parent.response_id if parent else None,
            tools=definitions if definitions else UNSET,
            store=self._options.store,
            generate=UNSET if exchange.purpose == "answer" else False,
            stream_id=exchange.lane,
            context_management=self._compaction() if exchange.compacts else UNSET,
        )

    def _compacts(self, exchange: Exchange) -> bool:
        """Only from half of the threshold on: a request that compacts cannot be steered."""
        most_tokens = self._options.context_tokens
        return self.features.compaction and 0 < most_tokens <= 2 * exchange.node.tokens

    def _compaction(self) -> list[JsonObject]:
        return [{"type": "compaction", "compact_threshold": self._options.context_tokens}]
