"""One JSON object a line, and nothing of what was said."""

from __future__ import annotations

import io
import json
import logging
from datetime import datetime
from typing import Any

from voice.apps.kiosk.json_log import JsonLog
from voice.trace import TraceEvent

TURN = TraceEvent(
    5.0, 3, "turn.completed", {"user_text": "my secret", "latency": {}, "interrupted": False}
)


def _logged(*events: TraceEvent, **options: Any) -> list[dict[str, Any]]:
    stream = io.StringIO()
    log = JsonLog(stream, **options)
    for event in events:
        log(event)
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_has_time_level_event_turn_and_fields() -> None:
    (line,) = _logged(TURN)
    assert datetime.fromisoformat(line.pop("time")).tzinfo
    assert line == {
        "level": "info", "event": "turn.completed", "turn": 3, "latency": {}, "interrupted": False,
    }  # fmt: skip


def test_words_are_logged_only_where_they_are_allowed() -> None:
    assert "secret" not in json.dumps(_logged(TURN))
    assert _logged(TURN, words=True)[0]["user_text"] == "my secret"


def test_words_are_left_out_at_every_level() -> None:
    events = [
        TraceEvent(1.0, 1, name, {field: "my secret"})
        for name, field in (
            ("transcript.partial", "text"), ("tool.started", "arguments"),
            ("tool.ended", "output"), ("answer.written", "text"),
        )
    ]  # fmt: skip
    lines = _logged(*events, level=logging.DEBUG)
    assert len(lines) == 4
    assert "secret" not in json.dumps(lines)


def test_faults_are_errors_and_details_are_for_debugging() -> None:
    fault = TraceEvent(0.0, 0, "fault.began", {"fault": "disk", "problem": "p", "cure": "c"})
    (line,) = _logged(fault, TraceEvent(0.0, 1, "speech.started"))
    assert (line["level"], line["fault"], line["cure"]) == ("error", "disk", "c")


def test_pythons_own_log_becomes_lines_too() -> None:
    stream = io.StringIO()
    logger = logging.getLogger("test.kiosk")
    logger.addHandler(log := JsonLog(stream))
    try:
        logger.warning("the port %d is taken", 8788)
    finally:
        logger.removeHandler(log)
    line = json.loads(stream.getvalue())
    assert (line["level"], line["message"]) == ("warning", "the port 8788 is taken")


def test_an_error_with_a_name_that_is_not_utf8_is_logged() -> None:
    stream = io.StringIO()
    logger = logging.getLogger("test.kiosk.names")
    logger.propagate = False  # pytest-xdist cannot carry such a log
    logger.addHandler(JsonLog(stream))
    try:
        raise FileNotFoundError("caf\udce9.txt")
    except FileNotFoundError:
        logger.exception("the tool failed")
    line = json.loads(stream.getvalue())
    assert line["message"] == "the tool failed"
    assert "caf\udce9.txt" in line["traceback"]


def test_a_log_that_nobody_takes_is_no_reason_to_stop() -> None:
    class Full(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError(28, "No space left on device")

    JsonLog(Full())(TURN)
