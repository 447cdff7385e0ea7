"""What the turn machine hears of, and what it wants done; times are the clock's seconds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from voice.listen.gate import SpeechConfirmed, SpeechPaused, SpeechResumed, SpeechStarted

# ── events ───────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class OnsetHeard:
    """A quick detector heard a sound begin at `at` while the agent speaks; it is often wrong."""

    at: float


@dataclass(frozen=True, slots=True)
class WordsTranscribed:
    """The words of utterance `turn`, from its first sample to the sample `end`.

    `text` begins with `committed_text`, which only grows.
    """

    turn: int
    text: str
    end: int
    committed_text: str = ""


@dataclass(frozen=True, slots=True)
class TranscriptionLost:
    """The words of utterance `turn` could not be found out."""

    turn: int
    reason: str


@dataclass(frozen=True, slots=True)
class EndJudged:
    """By its sound utterance `turn` is over with this probability; its last speech was `sample`."""

    turn: int
    sample: int
    probability: float


@dataclass(frozen=True, slots=True)
class TalkPressed:
    """The user holds the key to talk; the sound from `sample` on is meant."""

    at: float
    sample: int


@dataclass(frozen=True, slots=True)
class TalkReleased:
    """The user let go of the key to talk; the sound up to `sample` was meant."""

    at: float
    sample: int


@dataclass(frozen=True, slots=True)
class Silenced:
    """The user pressed a key to silence the agent."""


@dataclass(frozen=True, slots=True)
class ConversationLeft:
    """The user wants to begin anew; `erased`: and nothing is to be kept of what was said."""

    erased: bool = False


@dataclass(frozen=True, slots=True)
class TextTyped:
    """The user typed this instead of saying it."""

    text: str


@dataclass(frozen=True, slots=True)
class AnswerHeard:
    """The first sound of the answer reached the device at `at`."""

    turn: int
    at: float


@dataclass(frozen=True, slots=True)
class QuestionHeard:
    """The answer asks something: the last word of a question began to sound at `at`."""

    turn: int
    at: float


@dataclass(frozen=True, slots=True)
class AnswerEnded:
    """The answer is over: all of it was played, or it failed for the reason in `failure`."""

    turn: int
    failure: str = ""


@dataclass(frozen=True, slots=True)
class AnnouncementArrived:
    """Something has to be said at the next free moment; None: in the agent's own words."""

    text: str | None


@dataclass(frozen=True, slots=True)
class DuplexChosen:
    """From now on the microphone counts only while the agent is silent (`half`), or always."""

    half: bool
    reason: str


@dataclass(frozen=True, slots=True)
class InputEnded:
    """No more sound will come from the microphone."""


Event = (
    SpeechStarted
    | SpeechConfirmed
    | SpeechPaused
    | SpeechResumed
    | OnsetHeard
    | WordsTranscribed
    | TranscriptionLost
    | EndJudged
    | TalkPressed
    | TalkReleased
    | Silenced
    | ConversationLeft
    | TextTyped
    | AnswerHeard
    | QuestionHeard
    | AnswerEnded
    | AnnouncementArrived
    | DuplexChosen
    | InputEnded
)

# ── actions ──────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class OpenUtterance:
    """Transcribe what is said from the sample `audio_start` on, as utterance `turn`."""

    turn: int
    audio_start: int


@dataclass(frozen=True, slots=True)
class Transcribe:
    """Find out what utterance `turn` says so far."""

    turn: int


@dataclass(frozen=True, slots=True)
class JudgeEnd:
    """Find out by its sound whether utterance `turn`, which paused after `sample`, is over."""

    turn: int
    sample: int


@dataclass(frozen=True, slots=True)
class LikelyEnd:
    """Utterance `turn` sounds finished with `text`, but may still go on. At most once a pause."""

    turn: int
    text: str


@dataclass(frozen=True, slots=True)
class GoOn:
    """Utterance `turn` goes on, or with other words, after its likely end."""

    turn: int


@dataclass(frozen=True, slots=True)
class Commit:
    """The words of utterance `turn` so far that are final, while it goes on."""

    turn: int
    text: str


@dataclass(frozen=True, slots=True)
class Discard:
    """Utterance `turn` was none, or its words are lost."""

    turn: int


@dataclass(frozen=True, slots=True)
class CloseUtterance:
    """Utterance `turn` is over; the next speech begins a new one."""

    turn: int


@dataclass(frozen=True, slots=True)
class CloseGate:
    """What is heard now is not the user's; the next speech begins anew."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Ask the agent for the answer to `text`, and speak it."""

    turn: int
    text: str


@dataclass(frozen=True, slots=True)
class Announce:
    """Speak `text` without having been asked; None: what the agent has to tell."""

    turn: int
    text: str | None


@dataclass(frozen=True, slots=True)
class Duck:
    """Go on 20 dB quieter with the answer of `turn`, and remember the word that sounds."""

    turn: int


@dataclass(frozen=True, slots=True)
class Unduck:
    """Go on with the answer of `turn` as loud as before."""

    turn: int


@dataclass(frozen=True, slots=True)
class Hold:
    """Let nothing be heard of the answer of `turn` until `Resume`; nothing of it is abandoned.

    Where nothing was heard yet, nothing begins to be heard.
    """

    turn: int


@dataclass(frozen=True, slots=True)
class Resume:
    """Let the answer of `turn` be heard, from the beginning of the word where it grew quieter."""

    turn: int


@dataclass(frozen=True, slots=True)
class Interrupt:
    """Fall silent and abandon the answer of `turn`; only what was heard of it counts."""

    turn: int


@dataclass(frozen=True, slots=True)
class BeginAnew:
    """Forget the conversation; `erase`: also what was kept of it."""

    erase: bool


@dataclass(frozen=True, slots=True)
class CompleteTurn:
    """The turn is over and was not interrupted."""

    turn: int
    failure: str = ""


@dataclass(frozen=True, slots=True)
class Mark:
    """Put an event into the trace."""

    event: str
    turn: int
    at: float
    fields: dict[str, Any] = field(default_factory=dict)


Action = (
    OpenUtterance
    | Transcribe
    | JudgeEnd
    | LikelyEnd
    | GoOn
    | Commit
    | Discard
    | CloseUtterance
    | CloseGate
    | Answer
    | Announce
    | Duck
    | Unduck
    | Hold
    | Resume
    | Interrupt
    | BeginAnew
    | CompleteTurn
    | Mark
)
