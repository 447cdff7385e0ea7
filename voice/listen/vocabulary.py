"""A Whisper model's tokens: prompts in, words out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from faster_whisper.tokenizer import Tokenizer

_MOST_CONTEXT_TOKENS = 100
"""Of the terms and of what was said before. Whisper takes 223; each costs decoder time."""

_WITHOUT_SPACES = {"zh", "ja", "th", "lo", "my", "yue"}


class Vocabulary:
    """Tokens of one model, for one language at a time; `terms` are words likely to be said."""

    def __init__(self, folder: Path, multilingual: bool, terms: str) -> None:
        import tokenizers  # noqa: PLC0415  # late, as all that comes with the model

        self._raw = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._multilingual = multilingual
        self.speak("en")
        self._terms = self._tokenizer.encode(f" {terms}") if terms else []

    def speak(self, language: str) -> None:
        """Change the language ("de"). Raises `ValueError` where Whisper does not know it."""
        from faster_whisper.tokenizer import Tokenizer  # noqa: PLC0415

        self._tokenizer: Tokenizer = Tokenizer(
            self._raw, self._multilingual, task="transcribe", language=language
        )
        self.language = self._tokenizer.language_code

    def start(self) -> list[int]:
        """What the decoder is given before the first word."""
        return [*self._tokenizer.sot_sequence, self._tokenizer.no_timestamps]

    def context(self, before: Sequence[int]) -> list[int]:
        """What the decoder is given before that: likely terms, and what was said `before`."""
        room = max(0, _MOST_CONTEXT_TOKENS - len(self._terms))
        known = [*self._terms, *before[max(0, len(before) - room) :]]
        return [self._tokenizer.sot_prev, *known[-_MOST_CONTEXT_TOKENS:]] if known else []

    def text_tokens(self, tokens: Sequence[int]) -> list[int]:
        """Only the tokens that are text."""
        return [token for token in tokens if token < self._tokenizer.eot]

    def words(self, tokens: Sequence[int]) -> list[tuple[str, list[int]]]:
        """Words with their tokens; punctuation belongs to the word that it touches."""
        pieces, their_tokens = self._tokenizer.split_tokens_on_unicode(list(tokens))
        words: list[tuple[str, list[int]]] = []
        for piece, piece_tokens in zip(pieces, their_tokens, strict=True):
            begins = piece.startswith(" ") or self.language in _WITHOUT_SPACES
            if begins or not words:
                words.append((piece.strip(), list(piece_tokens)))
            else:
                text, earlier = words[-1]
                words[-1] = (text + piece.rstrip(), earlier + piece_tokens)
        return words
