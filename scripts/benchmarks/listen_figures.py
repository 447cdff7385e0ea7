"""From what was heard to figures: cut-offs, delays, targets. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scripts.benchmarks.figures import quantile, rounded
from scripts.benchmarks.listen_clips import Clip
from scripts.benchmarks.listen_conversation import Heard, LoopWatch
from scripts.benchmarks.listen_decoding import Decoded
from scripts.benchmarks.listen_words import Tally, tally, total

EARLY_SECONDS = 0.1
"""A decision this long before the reference's end of speech came into the speech: references and
detectors differ by less (measured: 0.02 to 0.07 s on clean commands)."""

Outcome = tuple[Clip, Heard]

UNITS = {
    "wer_full": "fraction",
    "wer_incremental": "fraction",
    "wer_pipeline": "fraction",
    "retractions": "committed words changed or lost, in the whole corpus",
    "final_after_end": "seconds",
    "first_partial": "seconds from the beginning of speech",
    "cpu_per_audio_second": "cores",
    "false_turns_per_minute": "turns that the agent got",
    "cut_off_rate": "fraction of utterances",
    "endpoint_delay": "seconds from the reference's last speech to the decision, real time",
    "endpoint_delay_traced": "seconds, from the detector's own last speech, real time",
    "endpoint_delay_virtual": "seconds, from the reference's last speech, models take no time",
    "event_loop_block": "milliseconds",
}


def cut_off(clip: Clip, heard: Heard) -> bool:
    """Whether one utterance became several turns, or its only turn ended before it did."""
    if len(heard.answered) > 1:
        return True
    end = clip.speech_end
    return end is not None and any(turn.decided < end - EARLY_SECONDS for turn in heard.answered)


def cut_offs(outcomes: Iterable[Outcome]) -> dict[str, Any]:
    """How many of the utterances, and which. An utterance without words was not heard at all."""
    known = list(outcomes)
    cut = [clip.name for clip, heard in known if cut_off(clip, heard)]
    return {
        "rate": rounded(len(cut) / len(known), 4) if known else None,
        "utterances": len(known),
        "unheard": sum(not heard.answered for _, heard in known),
        "cut": cut,
    }


def endpoint_delays(outcomes: Iterable[Outcome], *, traced: bool = False) -> list[float]:
    """Seconds from the end of speech to the decision, of utterances that were not cut off.

    `traced`: from the detector's last speech; otherwise from the reference's where it is known.
    """
    delays = []
    for clip, heard in outcomes:
        if not heard.answered or cut_off(clip, heard):
            continue
        turn = heard.answered[-1]
        known = clip.speech_end is not None and not traced
        end = clip.speech_end if known else turn.speech_ended
        assert end is not None
        delays.append(turn.decided - end)
    return delays


def pipeline_wer(outcomes: Iterable[Outcome]) -> Tally:
    """Errors in the words of all turns together."""
    return total(tally(clip.text or "", heard.text) for clip, heard in outcomes)


def time_figures(outcomes: Sequence[Outcome], watched: LoopWatch) -> dict[str, float | None]:
    """What a real-time run tells. `watched` looked over every other clip, beginning with the first.

    Ticking costs a few percent of a core, so the processor's time is that of the other clips.
    """
    turns = [turn for _, heard in outcomes for turn in heard.turns]
    finals = [turn.final - turn.decided for turn in turns]
    partials = [
        turn.first_partial - turn.started for turn in turns if turn.first_partial is not None
    ]
    unwatched = [heard for _, heard in outcomes[1::2]]
    seconds = sum(heard.seconds for heard in unwatched)
    return {
        "final_after_end_p50": rounded(quantile(finals, 0.5)),
        "final_after_end_p95": rounded(quantile(finals, 0.95)),
        "first_partial_p50": rounded(quantile(partials, 0.5)),
        "cpu_per_audio_second": rounded(
            sum(heard.cpu_seconds for heard in unwatched) / seconds if seconds else None
        ),
        **loop_figures(watched),
    }


def loop_figures(watched: LoopWatch) -> dict[str, float | None]:
    """How late the loop was, and how long its own thread worked without a break: milliseconds."""
    late = [1000 * seconds for seconds in watched.late_seconds]
    busy = [1000 * seconds for seconds in watched.busy_seconds]
    return {
        "event_loop_block_p99_ms": rounded(quantile(late, 0.99), 1),
        "event_loop_block_max_ms": rounded(max(late, default=None), 1),
        "event_loop_busy_max_ms": rounded(max(busy, default=None), 1),
    }


def delay_figures(name: str, delays: Sequence[float]) -> dict[str, float | None]:
    """p50, p95 and mean under `name`."""
    mean = sum(delays) / len(delays) if delays else None
    quantiles = {f"{name}_p{p}": rounded(quantile(delays, p / 100)) for p in (50, 95)}
    return {**quantiles, f"{name}_mean": rounded(mean)}


def decoding_figures(decoded: Sequence[Decoded]) -> dict[str, Any]:
    """The two word error rates of a corpus, and the commits taken back."""
    return {
        "wer_full": rounded(total(one.full for one in decoded).rate, 4),
        "wer_incremental": rounded(total(one.incremental for one in decoded).rate, 4),
        "retractions": sum(one.retractions for one in decoded),
    }


def by_group(decoded: Iterable[Decoded], of: str) -> dict[str, dict[str, Any]]:
    """The word error rates by an attribute of the clip: `category` or `language`."""
    groups: dict[str, list[Decoded]] = {}
    for one in decoded:
        groups.setdefault(str(getattr(one.clip, of)), []).append(one)
    return {
        name: {
            **decoding_figures(members),
            "clips": len(members),
            "words": total(one.incremental for one in members).words,
        }
        for name, members in sorted(groups.items())
    }


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the report: a figure of a model beside what the issue asks for."""

    figure: str
    model: str
    value: float | None
    limit: float | None = None

    @property
    def verdict(self) -> str:
        """`met`, `missed`, or nothing where there is no target or no figure."""
        if self.limit is None or self.value is None:
            return ""
        return "met" if self.value <= self.limit else "missed"


# The targets, by model; None: for every model.
_TARGETS: dict[str, Mapping[str | None, float]] = {
    "wer_full": {},
    "wer_incremental": {},
    "wer_incremental - wer_full": {None: 0.005},
    "wer_pipeline": {},
    "retractions": {None: 0},
    "final_after_end_p50": {"tiny.en": 0.04, "base": 0.08},
    "final_after_end_p95": {"tiny.en": 0.12, "base": 0.2},
    "first_partial_p50": {},
    "cpu_per_audio_second": {"tiny.en": 0.35},
    "endpoint_delay_p50": {None: 0.3},
    "endpoint_delay_p95": {},
    "endpoint_delay_traced_p50": {},
    "endpoint_delay_virtual_p50": {},
    "cut_off_rate": {None: 0.03},
    "false_turns_per_minute": {None: 0.1},
    "event_loop_block_p99_ms": {},
    "event_loop_block_max_ms": {None: 10.0},
    "event_loop_busy_max_ms": {},
}


def rows(figures: Mapping[str, Any], models: Sequence[str]) -> list[Row]:
    """The report's lines, in the order of the issue."""
    lines = []
    for figure, targets in _TARGETS.items():
        for model in models:
            if figure == "wer_incremental - wer_full":
                full = figures.get("wer_full", {}).get(model)
                incremental = figures.get("wer_incremental", {}).get(model)
                known = full is not None and incremental is not None
                value = round(incremental - full, 4) if known else None
            else:
                value = figures.get(figure, {}).get(model)
            lines.append(Row(figure, model, value, targets.get(model, targets.get(None))))
    return lines


def table(lines: Sequence[Row]) -> str:
    """The report as a table that Markdown shows as one, too."""
    cells = [("figure", "model", "value", "target", "")]
    for row in lines:
        value = "–" if row.value is None else f"{row.value:g}"
        target = "" if row.limit is None else f"≤ {row.limit:g}"
        cells.append((row.figure, row.model, value, target, row.verdict))
    widths = [max(len(cell[column]) for cell in cells) for column in range(5)]
    lined = ["| " + " | ".join(map(str.ljust, cell, widths)) + " |" for cell in cells]
    return "\n".join([lined[0], "|" + "|".join("-" * (n + 2) for n in widths) + "|", *lined[1:]])
