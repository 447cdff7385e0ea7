"""A voice agent: sound in, streamed answers over one WebSocket, sound out."""

__version__ = "0.1.0"
