"""Making a long conversation short: a summary of its older part, and its last items as they are.

    older   what the backend summarizes; with all before it, it is left out from then on
    said    of that, the user's own words, as the API keeps them too: small models lose names and
            numbers where they summarize, and it is the user who tells them
    kept    the last turns; instructions and the user's latest words, wherever they are
    sealed  summary, said and kept as the text that clients send back and cannot read

A compaction stands for everything before it, so the server's own chain and a client that drops what
came before go on from the same. A call stays with its output. Small models summarize in the
conversation itself, asked by one more message: its key-value prefix is there already, and only the
summary has to be computed.

The seal is a checksum, not a secret. A forged one says what its client could have sent as ordinary
items, in the roles that these may have, and no more; the summary is words of the user, whatever it
says. So it needs no key, and holds after a restart and on another server of ours. Pure.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeGuard

import msgspec

from voice.server.backend import Call, CallOutput, Compacted, Item, Message, Reasoning
from voice.server.refusals import Refused

LEAST_THRESHOLD_TOKENS: Final = 1000
"""The smallest `compact_threshold` (the API reference)."""

SUMMARY_REQUEST: Final = (
    "Write a short summary of our conversation so far, in at most five sentences: what you know "
    "about me, and what we talked about. Keep every name, number and time. Write nothing but the "
    "summary."
)
"""What the user says last where a summary is wanted; a script can match it."""

SUMMARY: Final = "Summary of our conversation so far:\n"
"""How the user's message begins that tells the model the summary."""

_SAID: Final = "\n\nWhat I had said myself:\n"
_ACKNOWLEDGMENT: Final = "Thank you, I will keep that in mind."
"""Templates want the user and the assistant to take turns."""

_BYTES_PER_TOKEN: Final = 4
"""Of English text; other scripts have more bytes a character, and so come near to it as well."""

_SUMMARY_TOKENS: Final = (128, 1024)
"""The bounds of a summary's limit, which is an eighth of what is compacted."""

_SEAL: Final = "voice-1."
_DIGEST_CHARS: Final = 16
_ROLES: Final = ("user", "assistant", "system", "developer")

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(list[Any])


@dataclass(slots=True)
class Compaction:
    """A compaction under way. `threshold_tokens` is None where it was asked for outright."""

    older: tuple[Item, ...]
    kept: tuple[Item, ...]
    said: tuple[str, ...]
    limit_tokens: int
    """How long the summary may be, and the user's own words as well."""
    threshold_tokens: int | None = None
    measured: bool = False
    """Whether the conversation has turned out to be longer than the threshold."""
    summary: str = ""

    @property
    def result(self) -> Compacted:
        """What the conversation goes on from."""
        return Compacted(self.summary.strip(), self.kept, self.said)


def planned(history: tuple[Item, ...], threshold_tokens: int) -> Compaction | None:
    """What to do if the conversation exceeds the threshold; None where too little would be won.

    Where less than half of the threshold are items, the rest is instructions and tools, which
    cannot be left out.
    """
    if estimated_tokens(history) < threshold_tokens // 2:
        return None
    limit_tokens = _limit_tokens(threshold_tokens)
    if compaction := _split(history, threshold_tokens // 4, limit_tokens):
        compaction.threshold_tokens = threshold_tokens
    return compaction


def asked(history: tuple[Item, ...]) -> Compaction:
    """What to do where a compaction is asked for. Without `older`, all is kept as it is."""
    size_tokens = estimated_tokens(history)
    limit_tokens = _limit_tokens(size_tokens)
    compaction = _split(history, size_tokens // 4, limit_tokens)
    if compaction is None:
        before, rest = _beginning(history)
        compaction = Compaction((), rest, before.said, limit_tokens, summary=before.summary)
    compaction.measured = True
    return compaction


def since_compaction(history: tuple[Item, ...]) -> tuple[Item, ...]:
    """The last compaction and what came after it; everything where there is none."""
    for n in range(len(history) - 1, -1, -1):
        if isinstance(history[n], Compacted):
            return history[n:]
    return history


def expanded(history: tuple[Item, ...]) -> tuple[Item, ...]:
    """The conversation as a model is told it, without compactions."""
    before, items = _beginning(history)
    return _told(before) + items


def estimated_tokens(history: tuple[Item, ...]) -> int:
    """The size of the items, for want of a count."""
    return sum(_size_bytes(item) for item in expanded(history)) // _BYTES_PER_TOKEN


def _limit_tokens(size_tokens: int) -> int:
    least, most = _SUMMARY_TOKENS
    return max(least, min(most, size_tokens // 8))


def _beginning(history: tuple[Item, ...]) -> tuple[Compacted, tuple[Item, ...]]:
    """The compaction that a conversation begins with (an empty one, if none), and its items."""
    history = since_compaction(history)
    if history and isinstance(history[0], Compacted):
        return history[0], history[0].kept + history[1:]
    return Compacted("", ()), history


def _told(before: Compacted) -> tuple[Item, ...]:
    if not before.summary:
        return ()
    words = "\n".join(f"- {text}" for text in before.said)
    text = SUMMARY + before.summary + (_SAID + words if words else "")
    return (Message("user", text), Message("assistant", _ACKNOWLEDGMENT))


# ── what is kept ─────────────────────────────────────────────────────────────────────────────


def _split(history: tuple[Item, ...], kept_tokens: int, limit_tokens: int) -> Compaction | None:
    """Keep so much of the end, but the end of the last turn in any case.

    None where nothing would be left out.
    """
    before, items = _beginning(history)
    ends = list(itertools.accumulate((_size_bytes(item) for item in items), initial=0))
    joints = list(_joints(items))
    fitting = [n for n in joints if ends[-1] - ends[n] <= kept_tokens * _BYTES_PER_TOKEN]
    cut = min(fitting, default=max(joints, default=0))
    spoken = _last_words(items)
    kept = [
        item
        for n, item in enumerate(items)
        if n >= cut or n in spoken or (isinstance(item, Message) and item.role not in _ROLES[:2])
    ]
    if len(kept) == len(items):
        return None
    kept = [item for item in kept if not isinstance(item, Reasoning)]  # no model reads it
    said = [item.text for n, item in enumerate(items[:cut]) if _is_user(item) and n not in spoken]
    newest = _newest([*before.said, *said], limit_tokens * _BYTES_PER_TOKEN)
    return Compaction(_told(before) + items[:cut], tuple(kept), newest, limit_tokens)


def _newest(texts: Sequence[str], most_bytes: int) -> tuple[str, ...]:
    """The last of the texts that fit; one that is too long by itself is left out."""
    fitting: list[str] = []
    for text in reversed(texts):
        size_bytes = len(text.encode())
        if size_bytes <= most_bytes:
            fitting.append(text)
            most_bytes -= size_bytes
    return tuple(reversed(fitting))


def _joints(items: Sequence[Item]) -> Iterator[int]:
    """Where a conversation can be cut: before a turn, and in the last turn before an answer or a
    call, but never between a call and its output."""
    spoken = _last_words(items)
    calls: dict[str, int] = {}
    bound: set[int] = set()
    for n, item in enumerate(items):
        if isinstance(item, Call):
            calls[item.call_id] = n
        elif isinstance(item, CallOutput) and item.call_id in calls:
            bound |= set(range(calls.pop(item.call_id) + 1, n + 1))
    for open_call in calls.values():
        if open_call >= spoken.stop:  # its output may come yet
            bound |= set(range(open_call + 1, len(items)))
    for n, item in enumerate(items):
        begins = _is_user(item) and not (n and _is_user(items[n - 1]))
        if n not in bound and (begins or (n > spoken.stop and not _is_user(item))):
            yield n


def _last_words(items: Sequence[Item]) -> range:
    """Where the user's last words are: neighbouring messages are one turn."""
    stop = next((n for n in range(len(items), 0, -1) if _is_user(items[n - 1])), 0)
    start = next((n for n in range(stop, 0, -1) if not _is_user(items[n - 1])), 0)
    return range(start, stop)


def _is_user(item: Item) -> TypeGuard[Message]:
    return isinstance(item, Message) and item.role == "user"


def _size_bytes(item: Item) -> int:
    match item:
        case Message(_, text):
            return len(text.encode())
        case Call(_, name, arguments):
            return len(name.encode()) + len(arguments.encode())
        case CallOutput(_, output):
            return len(output.encode())
    return 0


# ── the seal ─────────────────────────────────────────────────────────────────────────────────


def sealed(compacted: Compacted) -> str:
    """The wire's `encrypted_content`."""
    rows = [compacted.summary, compacted.said, *_rows(compacted.kept)]
    payload = base64.urlsafe_b64encode(_encoder.encode(rows)).decode()
    return f"{_SEAL}{_digest(payload)}.{payload}"


def unsealed(content: str, where: str) -> Compacted:
    """What was sealed; `where` it is goes into a refusal. Raises `Refused`."""
    digest, _, payload = content.removeprefix(_SEAL).partition(".")
    if not content.startswith(_SEAL) or digest != _digest(payload):
        raise Refused(
            f"{where} was made by another server, which alone can read it, or has been changed. "
            "Send the items that it stands for.",
            "invalid_encrypted_content",
            where,
        )
    try:
        summary, said, *rows = _decoder.decode(base64.urlsafe_b64decode(payload))
        summary = msgspec.convert(summary, str)
        said = msgspec.convert(said, tuple[str, ...])
        return Compacted(summary, tuple(_item(row) for row in rows), said)
    except ValueError:
        raise Refused(
            f"{where} holds what this version of the server does not know.",
            "invalid_encrypted_content",
            where,
        ) from None


def _digest(payload: str) -> str:
    return hashlib.sha256(payload.encode()).hexdigest()[:_DIGEST_CHARS]


def _rows(items: Iterable[Item]) -> Iterator[list[str]]:
    for item in items:
        match item:
            case Message(role, text):
                yield ["message", role, text]
            case Call(call_id, name, arguments):
                yield ["call", call_id, name, arguments]
            case CallOutput(call_id, output):
                yield ["output", call_id, output]


def _item(row: Any) -> Item:
    match row:
        case ["message", str(role), str(text)] if role in _ROLES:
            return Message(role, text)
        case ["call", str(call_id), str(name), str(arguments)]:
            return Call(call_id, name, arguments)
        case ["output", str(call_id), str(output)]:
            return CallOutput(call_id, output)
    raise ValueError("an unknown item")
