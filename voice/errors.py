"""The one error tree. Every error names what was wrong and what cures it."""

from __future__ import annotations


class VoiceError(Exception):
    """Something that the user can put right; shown as one line, never as a traceback.

    `exit_code` is what the command line returns for it.
    """

    exit_code = 1

    def __init__(self, problem: str, cure: str = "") -> None:
        super().__init__(problem, cure)
        self.problem = problem
        self.cure = cure

    def __str__(self) -> str:
        return f"{self.problem} ({self.cure})" if self.cure else self.problem


def first_known(error: BaseException) -> VoiceError | None:
    """The user's error in a group of errors from several tasks, if all of them are such."""
    if isinstance(error, VoiceError):
        return error
    if isinstance(error, BaseExceptionGroup):
        known = [first_known(inner) for inner in error.exceptions]
        return known[0] if all(known) else None
    return None


class UsageError(VoiceError):
    """A flag, an environment variable or a configuration file is wrong."""

    exit_code = 2


class AudioError(VoiceError):
    """A sound device or a sound file cannot be used."""


class MicrophoneError(AudioError):
    """There is no such microphone, or it does not work."""


class SpeakerError(AudioError):
    """There is no such speaker, or it does not work."""


class ModelError(VoiceError):
    """A model is missing, corrupt or cannot be fetched."""


class AgentError(VoiceError):
    """The Responses server cannot be reached, refuses us, or does not speak the protocol."""


class RefusedError(AgentError):
    """The Responses server knows no such key: waiting does not help."""


class JournalError(VoiceError):
    """The file that keeps the conversations cannot be used, or holds no such conversation."""


class ServerError(VoiceError):
    """The local server cannot start or serve."""


class ToolError(VoiceError):
    """A tool cannot be made or called; the message is fit for the model to act on."""
