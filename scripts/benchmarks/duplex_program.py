"""The program under test for two measurements that an ordinary `voice run` does not allow.

python -m scripts.benchmarks.duplex_program hum run …           as    voice run …
python -m scripts.benchmarks.duplex_program echo NOTES run …    as    voice run …

`hum` gives it a voice that hums one steady tone, in which every change of level shows. `echo`
leaves it as it is but for notes of what its echo canceller says: JSON lines in the file NOTES.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from tests.support.humming import hum
from voice.audio.echo import EchoCancellingMicrophone
from voice.audio.frames import Frame
from voice.cli import main

_NOTE_SECONDS = 0.5


def _note_echo(path: Path) -> None:
    """Let the microphone write down its canceller's state twice a second."""
    read, due = EchoCancellingMicrophone.read, [0.0]

    async def noted(self: EchoCancellingMicrophone) -> Frame | None:
        frame = await read(self)
        if (now := time.monotonic()) >= due[0]:
            due[0] = now + _NOTE_SECONDS
            note = {"at": now, "erle_db": self.erle_db}
            note["half_duplex"] = self.convergence.half_duplex
            with path.open("a", encoding="utf-8") as notes:
                notes.write(json.dumps(note) + "\n")
        return frame

    EchoCancellingMicrophone.read = noted  # type: ignore[method-assign]


if __name__ == "__main__":
    if sys.argv.pop(1) == "hum":
        hum()
    else:
        _note_echo(Path(sys.argv.pop(1)))
    main()
