"""Conversations for the screen, as events of the trace, and a hand that only writes down."""

from __future__ import annotations

from voice.apps.controls import Levels
from voice.apps.screen.conversation import Conversation
from voice.trace import TraceEvent

Scene = list[TraceEvent]

SILENCE = Levels(-60.0, -60.0)

LATENCY = {
    "endpoint": 0.42,
    "transcribe": 0.06,
    "first_token": 0.21,
    "first_audio": 0.17,
    "voice_to_voice": 0.86,
}

STORY = (
    "Once upon a time there was a queen who collected bridges. "
    "She had forty of them, and each led to another village."
)


class Hand:
    """Controls that write down what was done."""

    def __init__(self, levels: Levels = SILENCE) -> None:
        self.done: list[tuple[object, ...]] = []
        self.level = levels

    def mute(self, on: bool) -> None:
        self.done.append(("mute", on))

    def press_talk(self) -> None:
        self.done.append(("press",))

    def release_talk(self) -> None:
        self.done.append(("release",))

    def interrupt(self) -> None:
        self.done.append(("interrupt",))

    def repeat(self) -> None:
        self.done.append(("repeat",))

    def new_conversation(self) -> None:
        self.done.append(("new",))

    def type_text(self, text: str) -> None:
        self.done.append(("type", text))

    def levels(self) -> Levels:
        return self.level

    def choose(self, subject: str, value: str) -> None:
        self.done.append(("choose", subject, value))


def happened(event: str, turn: int = 0, at: float = 0.0, **fields: object) -> TraceEvent:
    """One event of the trace."""
    return TraceEvent(at, turn, event, fields)


def loading() -> Scene:
    """The models are on their way."""
    return [
        happened("loading.progress", part="speech recognition", done=1, total=1),
        happened("loading.progress", part="language model", done=309, total=491),
        happened("loading.progress", part="voice", done=0, total=1),
    ]


def ready() -> Scene:
    """It can be talked to."""
    return [happened("listening")]


def answered(turn: int, user: str, voice: str, latency: dict[str, float] = LATENCY) -> Scene:
    """A whole turn that nobody interrupted."""
    return [
        *asked(turn, user),
        happened("request.sent", turn),
        happened("audio.first", turn),
        happened("answer.written", turn, text=voice),
        happened("playback.ended", turn),
        completed(turn, user, voice, voice, latency=latency),
    ]


def asked(turn: int, user: str) -> Scene:
    """The user has spoken and waits."""
    return [
        happened("speech.started", turn),
        happened("transcript.partial", turn, text=user),
        happened("turn.ended", turn),
        happened("transcript.committed", turn, text=user, added=user),
        happened("transcript.final", turn, text=user, label="words"),
    ]


def with_tool(turn: int) -> Scene:
    """An answer that needed a tool."""
    user, voice = "What's the weather in Lisbon?", "Sunny, 24 degrees, with a breeze."
    arguments = '{"city": "Lisbon"}'
    return [
        *asked(turn, user),
        happened("tool.started", turn, 3.0, tool="weather", arguments=arguments),
        happened("tool.ended", turn, 3.31, tool="weather", output="24 degrees, sunny, wind NW 12"),
        *answered(turn, user, voice)[5:],
    ]


def speaking(turn: int, heard: int = 28) -> Scene:
    """In the middle of a story."""
    return [
        *asked(turn, "Tell me a story about a queen."),
        happened("request.sent", turn),
        happened("audio.first", turn),
        happened("answer.written", turn, text=STORY),
        happened("heard.progress", turn, text=STORY, characters=heard),
    ]


def interrupted(turn: int, heard: str = STORY[:57]) -> Scene:
    """The story was cut off by a question."""
    return [
        *speaking(turn),
        happened("speech.started", turn + 1),
        happened("speech.ducked", turn, reason="onset"),
        happened("speech.held", turn, reason="speech", seconds=0.2),
        happened("bargein", turn, reason="words", seconds=0.5),
        happened("playback.stopped", turn),
        completed(turn, "Tell me a story about a queen.", STORY, heard, interrupted=True),
    ]


def talking(turn: int) -> Scene:
    """Words that are partly certain."""
    return [
        happened("speech.started", turn),
        happened("transcript.committed", turn, text="Wait, how many", added="Wait, how many"),
        happened("transcript.partial", turn, text="Wait, how many bridges did she"),
    ]


def completed(
    turn: int,
    user: str,
    written: str,
    heard: str,
    *,
    interrupted: bool = False,
    latency: dict[str, float] = LATENCY,
) -> TraceEvent:
    """The end of a turn."""
    return happened(
        "turn.completed",
        turn,
        user_text=user,
        assistant_text=written,
        heard_text=heard,
        interrupted=interrupted,
        eager=False,
        latency=latency,
    )


def after(*scenes: Scene) -> Conversation:
    """What is to be shown when these have happened."""
    conversation = Conversation()
    for event in [event for scene in scenes for event in scene]:
        conversation.receive(event)
    return conversation
