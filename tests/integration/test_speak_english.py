"""What is rewritten for espeak is heard without the names of signs, and as one sentence."""

from __future__ import annotations

import pytest

from voice.speak.chunker import Chunker

SIGNS = ("slash", "dash", "asterisk", "hash", "tilde", "colon", "roman", "zero zero")


def phonemes(text: str) -> list[str]:
    from piper.phonemize_espeak import EspeakPhonemizer

    sentences = EspeakPhonemizer().phonemize("en-us", text)
    return ["".join(sentence) for sentence in sentences if any(map(str.isalpha, sentence))]


@pytest.mark.parametrize(
    "written",
    [
        "Dr. Smith met Prof. Jones in St. Petersburg.",
        "It costs $3.50 or $5-10 a day.",
        "We met at 10:00 on 2026-11-26 or on 11/26/2026.",
        "We leave at 5 p.m. Monday from the U.S. Army base.",
        "Add 1/2 cup, and go at 5 km/h for 10-20 minutes.",
        "No. 5 is #1, e.g. ~3 of them.",
        "He/she can use TCP/IP and/or UDP 24/7.",
        "World War II and 3 * 4 are **not** the same.",
        "I had an IV drip, i.e. 60% of it.",
    ],
)
def test_espeak_reads_it_as_one_sentence_without_signs(written: str) -> None:
    chunker = Chunker()
    for clause in chunker.receive(written) + chunker.finish():
        (sentence,) = phonemes(clause.text)
        for sign in SIGNS:
            (named,) = phonemes(sign)
            assert named not in sentence, (sign, clause.text)


def test_espeak_alone_would_name_the_signs() -> None:
    (named,) = phonemes("slash")
    assert named in phonemes("5 km/h")[0]
