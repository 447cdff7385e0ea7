"""Tools as the agent's machine knows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from voice.responses.events import JsonObject
from voice.tools.policy import Policy


class FixedTools:
    """Definitions, and by name the policies and questions of those that have some."""

    def __init__(
        self,
        definitions: Sequence[JsonObject] = (),
        policies: Mapping[str, Policy] | None = None,
        questions: Mapping[str, str] | None = None,
    ) -> None:
        self._definitions = list(definitions)
        self._policies = policies or {}
        self._questions = questions or {}

    def definitions(self) -> list[JsonObject]:
        return self._definitions

    def policy(self, name: str) -> Policy:
        return self._policies.get(name, Policy())

    def question(self, name: str, arguments: str) -> str:
        return self._questions.get(name, "")
