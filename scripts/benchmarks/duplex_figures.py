"""From records to figures, each with how many it is of, targets and a report."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from scripts.benchmarks.figures import Target, quantile, rounded

Record = dict[str, Any]

CLICK_RATIO = 1.25
"""A step where the level changes that is so much larger than any other of the sound is a click."""

TARGETS: Mapping[str, Target] = {
    "duck_ms_p50": Target(90),
    "duck_ms_p95": Target(130),
    "stop_ms_p50": Target(300),
    "stop_ms_p95": Target(450),
    "stop_word_ms_p95": Target(350),
    "resume_rate": Target(0.95, least=True),
    "stop_missed": Target(0.02),
    "self_interruptions_per_minute_gain_0.3": Target(0),
    "heard_word_error_max": Target(1),
    "conversation_self_interruptions": Target(0),
    "clicks": Target(0),
    "voice_to_voice_p50": Target(0.5),
    "voice_to_voice_p95": Target(0.8),
}
"""Those of the script backend with tiny.en."""

LOCAL_TARGETS: Mapping[str, Target] = {"voice_to_voice_p50": Target(0.8)}


def figures(records: Sequence[Record]) -> tuple[dict[str, Any], dict[str, int]]:
    """All figures that there are records for, and of how many records each is."""
    found: dict[str, Any] = {}
    counts: dict[str, int] = {}

    def put(name: str, value: Any, count: int) -> None:
        if count:
            found[name], counts[name] = value, count

    def spread(name: str, values: Sequence[float], digits: int = 0) -> None:
        put(f"{name}_p50", rounded(quantile(values, 0.5), digits), len(values))
        put(f"{name}_p95", rounded(quantile(values, 0.95), digits), len(values))

    def share(name: str, among: Sequence[Record], so: Callable[[Record], bool]) -> None:
        put(name, rounded(sum(map(so, among)) / max(1, len(among))), len(among))

    valid = [record for record in records if "void" not in record]
    meant, words, hums, sounds, questions = (
        [record for record in valid if record["kind"] == kind]
        for kind in ("interruption", "stop word", "hum", "sound", "question")
    )
    spread("duck_ms", _values(hums, "duck_ms"))
    spread("hold_ms", _values(hums, "hold_ms"))
    spread("duck_speech_ms", _values(meant, "duck_ms"))
    spread("stop_ms", _values(meant, "stop_ms"))
    share("stop_missed", meant, lambda record: record["missed"])
    spread("stop_word_ms", _values(words, "stop_ms"))
    spread("stop_word_real_ms", _values([one for one in words if one["real"]], "stop_ms"))
    share("stop_word_missed", words, lambda record: record["missed"])
    share("resume_rate", sounds, lambda record: record["resumed"])
    for name, real in (("resume_rate_real", True), ("resume_rate_synthetic", False)):
        share(name, [one for one in sounds if one["real"] is real], lambda one: one["resumed"])
    share("sounds_that_disturbed", sounds, lambda record: record["disturbed"])
    errors = [abs(error) for error in _values([*meant, *words], "word_error")]
    spread("heard_word_error", errors)
    put("heard_word_error_max", max(errors, default=0), len(errors))
    put(
        "heard_within_one_word",
        rounded(sum(e <= 1 for e in errors) / max(1, len(errors))),
        len(errors),
    )
    spread("voice_to_voice", _values(questions, "voice_to_voice"), 3)
    steps = click_ratios(records)
    put("clicks", sum(step > CLICK_RATIO for step in steps), len(steps))
    put("click_ratio_max", rounded(max(steps, default=0), 2), len(steps))
    lost = [record for record in records if record["kind"] == "lost"]
    put("underruns", sum(record["underruns"] for record in lost), len(lost))
    put("unanswered_questions", sum(record["unanswered"] for record in lost), len(lost))
    for talked in (record for record in records if record["kind"] == "conversation"):
        for name in ("minutes", "self_interruptions", "false_holds"):
            put(f"conversation_{name}", talked[name], 1)
    for name, value, count in _echo_figures(valid):
        put(name, value, count)
    return found, counts


def click_ratios(records: Sequence[Record]) -> list[float]:
    """Of each record, its largest step where the level changed over the voice's own largest.

    The hum, whose own steps are small, shows clicks best.
    """
    ratios = []
    for humming in (True, False):
        voiced = [
            record
            for record in records
            if (record["kind"] == "hum") is humming and record.get("edge_step") is not None
        ]
        own = max((record["own_step"] for record in voiced), default=0)
        ratios += [record["edge_step"] / max(1, own) for record in voiced]
    return ratios


def _echo_figures(records: Sequence[Record]) -> list[tuple[str, Any, int]]:
    """Of each gain over all delays, and how well the canceller works on each way."""
    echoes = [record for record in records if record["kind"] == "echo"]
    found: list[tuple[str, Any, int]] = []
    for gain in sorted({record["gain"] for record in echoes}):
        among = [record for record in echoes if record["gain"] == gain]
        minutes = sum(record["minutes"] for record in among)
        for name, key in (
            ("self_interruptions", "interrupted"),
            ("false_holds", "held"),
            ("false_ducks", "ducked"),
        ):
            rate = sum(record[key] for record in among) / max(minutes, 1e-9)
            found.append((f"{name}_per_minute_gain_{gain}", rounded(rate, 2), len(among)))
        found.append((f"echo_minutes_gain_{gain}", rounded(minutes, 2), len(among)))
    for record in echoes:
        name = f"gain_{record['gain']}_delay_{record['delay_ms']}_ms"
        if record["erle_db"] is not None:
            found.append((f"erle_db_{name}", record["erle_db"], 1))
        if record["half_duplex_share"]:
            found.append((f"half_duplex_share_{name}", record["half_duplex_share"], 1))
    talks = [record for record in records if record["kind"] == "double talk"]
    missed = sum(record["missed"] for record in talks)
    found.append(("double_talk_missed", rounded(missed / max(1, len(talks))), len(talks)))
    return found


def failures(records: Sequence[Record]) -> list[str]:
    """Everything that did not go as it should, in words."""
    return [line for record in records if (line := _failure(record))]


def _failure(record: Record) -> str:
    problem = _problem(record)
    if not problem:
        return ""
    where = (
        record.get("where") or record.get("name") or f"{record['gain']}, {record['delay_ms']} ms"
    )
    why = f" ({'; '.join(record['why'])})" if record.get("why") else ""
    stalled = ", while the machine stalled" if record.get("stalled") else ""
    return f"{record['kind']} {where!r} {problem}{why}{stalled}"


def _problem(record: Record) -> str:
    """What is wrong with it; nothing if it went as it should."""
    if "void" in record:
        return f"does not count: {record['void']}"
    if record.get("missed"):
        return "did not stop the answer"
    if record.get("resumed") is False:
        return "ended or silenced the answer"
    if abs(record.get("word_error", 0)) > 1:
        said, heard = record["heard"][-40:], record["understood"][-40:]
        return f"is {record['word_error']:+} words off: it says {said!r}, one heard {heard!r}"
    if record["kind"] == "echo" and record["interrupted"] + record["held"]:
        return f"interrupted itself {record['interrupted']} times, was held {record['held']} times"
    return ""


def verdicts(found: Mapping[str, Any], local: bool) -> dict[str, str]:
    """What became of each target for which there is a figure."""
    targets = LOCAL_TARGETS if local else TARGETS
    return {
        name: f"{target}: {target.verdict(found[name])}"
        for name, target in targets.items()
        if found.get(name) is not None
    }


def report(result: Mapping[str, Any]) -> str:
    """The figures with their numbers and targets, what failed, and whether the run counts."""
    lines = [f"{'figure':44} {'':>9} {'n':>4}"]
    for name, value in result["figures"].items():
        judged = result["verdicts"].get(name, "")
        shown = "-" if value is None else f"{value:g}"
        lines.append(f"{name:44} {shown:>9} {result['n'][name]:>4}  {judged}".rstrip())
    if result["failures"]:
        lines += ["", "What failed:", *(f"  {line}" for line in result["failures"])]
    conditions = result["conditions"]
    words = ", ".join(f"{name} {value}" for name, value in conditions.items())
    lines += ["", f"Conditions: {words}"]
    if not conditions["steady"]:
        lines.append("The machine was NOT STEADY: repeat the run on an idle one.")
    return "\n".join(lines)


def _values(records: Sequence[Record], name: str) -> list[float]:
    return [record[name] for record in records if record.get(name) is not None]
