"""What a backend of the tests answers: all that it was told, so that nothing gets in unseen."""

from __future__ import annotations

from tests.support.fuzzing.messages import MARK
from voice.server.backend import CallOutput, Item, Message, Prompt
from voice.server.compaction import SUMMARY_REQUEST


def confession(prompt: Prompt) -> str:
    """All marks that a prompt holds, each once; a summary is inherited, so rules are not in it."""
    texts = [message_text(item) for item in prompt.items]
    if texts and texts[-1] != SUMMARY_REQUEST:
        texts += [prompt.instructions, *(tool.description for tool in prompt.tools)]
    return " ".join(dict.fromkeys(MARK.findall("\n".join(texts))))


def message_text(item: Item) -> str:
    """All that an item says."""
    match item:
        case Message(_, text) | CallOutput(_, text):
            return text
    return str(item)
