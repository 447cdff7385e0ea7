"""The listening benchmark: words, turns and times over recordings of real speech.

Three ways to measure, each for what it measures best:

* the transcriber alone, fed frame by frame: word errors and retractions;
* whole sessions in virtual time: cut-offs, false turns, words of the whole way. These depend on
  sound and thresholds, not on the machine, and run in several processes;
* whole sessions in real time, one after the other on an otherwise idle machine: every figure in
  seconds, the processor's load, and the event loop.

docs/listening.md says how to read the figures.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.benchmarks import listen_clips as clips_
from scripts.benchmarks import listen_figures as figures_
from scripts.benchmarks.figures import ROOT, code_version, load, machine, rounded
from scripts.benchmarks.listen_clips import Clip
from scripts.benchmarks.listen_conversation import (
    LoopWatch,
    hear_in_real_time,
    idle_watch,
)
from scripts.benchmarks.listen_decoding import write_looped
from scripts.benchmarks.listen_figures import Outcome
from scripts.benchmarks.listen_parts import Loader, Overrides, merged, options_with
from scripts.benchmarks.listen_variants import ABLATION, CURVES, DEFAULT, Variant, usable
from scripts.benchmarks.listen_work import Progress, Workers, converse, decode_clip, workers

_IDLE_WATCH_SECONDS = 3.0

_FEW_CLIPS = 2
"""With so few of each category the run only shows that it works: every third variant will do."""

_VIRTUAL_PARTIAL_SECONDS = 0.4
"""In virtual time passes cost nothing and would come at their fullest rate; on 2 cores they come
about this often."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to measure."""

    models: tuple[str, ...]
    folder: Path
    minutes: float
    """Sound a model listens to in real time."""

    noise_minutes: float
    """Noise a model listens to; the recordings are repeated."""

    most_of_category: int
    """At most so many clips of each category; 0: all."""

    longest_seconds: float
    """Longer clips are left out of what is not timed."""

    jobs: int
    """Processes for what is not timed."""

    threads: int
    """Cores for the model in real time; 0: as the program chooses."""

    variants: bool
    """Whether to run the ablation and the sweep over the thresholds."""


Save = Callable[[dict[str, Any]], None]


def measure_listen(plan: Plan, save: Save) -> dict[str, Any]:
    """All figures, keyed as the issue wants them, each by the model's name.

    `save` is given what is known after each part: the whole takes more than an hour.
    """
    everything = clips_.load_clips(plan.folder)
    short = [clip for clip in everything if clip.seconds <= plan.longest_seconds]
    chosen = clips_.thinned(short, plan.most_of_category)
    result: dict[str, Any] = {"units": figures_.UNITS, "conditions": _conditions(plan, chosen)}
    idle = figures_.loop_figures(idle_watch(_IDLE_WATCH_SECONDS))
    result["conditions"]["event_loop_idle"] = idle
    # First what is timed, while nothing else runs.
    for model in plan.models:
        _add(result, model, _in_real_time(plan, model, everything))
        save(result)
    with workers(plan.jobs) as pool, tempfile.TemporaryDirectory() as folder:
        noises = clips_.thinned(clips_.noise(everything), plan.most_of_category)
        looped = _noise_files(plan, noises, Path(folder))
        for model in plan.models:
            _add(result, model, _decoding(pool, model, chosen))
            save(result)
            _add(result, model, _conversations(pool, model, chosen, looped))
            save(result)
        if plan.variants:
            result |= _variants(plan, pool, plan.models[0], chosen, looped)
    result["conditions"]["load_after"] = load()
    lines = figures_.rows(result, plan.models)
    result["targets"] = [
        {"figure": row.figure, "model": row.model, "limit": row.limit, "verdict": row.verdict}
        for row in lines
        if row.limit is not None
    ]
    save(result)
    return result


def report(result: Mapping[str, Any], models: Sequence[str]) -> str:
    """The figures for people."""
    conditions = result["conditions"]
    parts = [
        f"{conditions['machine']}; load {conditions['load_before']} before, "
        f"{conditions['load_after']} after; {conditions['speech']} ({conditions['clips']} clips); "
        f"code {conditions['code']}",
        figures_.table(figures_.rows(result, models)),
    ]
    if rows := result.get("ablation"):
        parts.append(_ablation_table(rows))
    return "\n\n".join(parts)


def _add(result: dict[str, Any], model: str, figures: Mapping[str, Any]) -> None:
    for name, value in figures.items():
        result.setdefault(name, {})[model] = value


def _conditions(plan: Plan, clips: Sequence[Clip]) -> dict[str, Any]:
    return {
        "machine": machine(),
        "load_before": load(),
        "code": code_version(),
        "speech": os.path.relpath(plan.folder, ROOT),
        "clips": len(clips),
        "models": list(plan.models),
        "threads_real_time": plan.threads or "as the program chooses",
        "threads_elsewhere": 1,
        "jobs": plan.jobs,
        "clips_of_a_category": plan.most_of_category or "all",
        "longest_clip_seconds": max((clip.seconds for clip in clips), default=0.0),
        "minutes_real_time": plan.minutes,
        "minutes_noise": plan.noise_minutes,
    }


# ── in real time ─────────────────────────────────────────────────────────────────────────────


def _in_real_time(plan: Plan, model: str, clips: Sequence[Clip]) -> dict[str, Any]:
    chosen = clips_.for_real_time(clips, plan.minutes)
    options = options_with({"listen": {"model": model, "threads": plan.threads}})
    loader, watch = Loader(), LoopWatch()
    loader.transcriber(options)
    progress = Progress(f"{model}, in real time, clips", len(chosen))
    outcomes: list[Outcome] = []
    for number, clip in enumerate(chosen):
        watched = watch if number % 2 == 0 else None
        outcomes.append((clip, hear_in_real_time(clip.path, options, loader, watched)))
        progress.advance()
    commands = _of(outcomes, clips_.commands(chosen))
    pauses = clips_.with_inner_pause(chosen)
    return {
        **figures_.time_figures(outcomes, watch),
        **figures_.delay_figures("endpoint_delay", figures_.endpoint_delays(commands)),
        **figures_.delay_figures(
            "endpoint_delay_traced", figures_.endpoint_delays(commands, traced=True)
        ),
        "real_time": {
            "seconds": rounded(sum(heard.seconds for _, heard in outcomes), 1),
            "clips": len(chosen),
            "commands": len(commands),
            "turns": sum(len(heard.turns) for _, heard in outcomes),
            "wer_pipeline": rounded(figures_.pipeline_wer(_scored(outcomes)).rate, 4),
            "cut_offs": figures_.cut_offs(_of(outcomes, pauses["constructed"] + pauses["natural"])),
        },
    }


# ── the transcriber alone ────────────────────────────────────────────────────────────────────


def _decoding(pool: Workers, model: str, clips: Sequence[Clip]) -> dict[str, Any]:
    scored = clips_.english(clips)
    if not model.endswith(".en"):
        scored += clips_.foreign(clips)
    tasks = [(clip, _in(model, str(clip.language)), True) for clip in scored]
    decoded = pool.map(decode_clip, tasks, f"{model}, incremental and whole, clips")
    here = [one for one in decoded if one.clip.language == "en"]
    elsewhere = [one for one in decoded if one.clip.language != "en"]
    seconds = sum(one.clip.seconds for one in here)
    figures = {
        **figures_.decoding_figures(here),
        "wer_by_category": figures_.by_group(here, "category"),
        "transcriber": {
            "passes_per_second": rounded(sum(one.passes for one in here) / seconds, 2),
            "cpu_per_audio_second": rounded(sum(one.cpu_seconds for one in here) / seconds),
            "whole_clip_once_cpu_per_audio_second": rounded(
                sum(one.full_cpu_seconds for one in here) / seconds
            ),
        },
        "worst_clips": _worst(here),
    }
    if elsewhere:
        figures["wer_by_language"] = figures_.by_group(elsewhere, "language")
    return figures


def _worst(decoded: Iterable[Any]) -> list[dict[str, Any]]:
    """Where the incremental method loses most against the other one."""
    ranked = sorted(decoded, key=lambda one: one.full.errors - one.incremental.errors)
    return [
        {
            "clip": one.clip.name,
            "more_errors": one.incremental.errors - one.full.errors,
            "said": one.clip.text,
            "full": one.full_text,
            "incremental": one.incremental_text,
        }
        for one in ranked[:10]
        if one.incremental.errors > one.full.errors
    ]


# ── whole sessions in virtual time ───────────────────────────────────────────────────────────


def _conversations(
    pool: Workers, model: str, clips: Sequence[Clip], noises: Sequence[tuple[Clip, Path]]
) -> dict[str, Any]:
    pauses = clips_.with_inner_pause(clips)
    wanted = _union(clips_.english(clips), clips_.commands(clips), *pauses.values())
    variants = {DEFAULT.name: _virtually(model)}
    heard = _converse(pool, wanted, variants, f"{model}, sessions, clips")[DEFAULT.name]
    noisy = _converse_noise(pool, noises, variants, model)[DEFAULT.name]
    inner = pauses["constructed"] + pauses["natural"]
    cut = {name: figures_.cut_offs(_of(heard, members)) for name, members in pauses.items()}
    unpaused = [clip for clip, _ in heard if not clip.inner_pause and clip.one_speaker]
    cut["without_pause"] = figures_.cut_offs(_of(heard, unpaused))
    delays = figures_.endpoint_delays(_of(heard, clips_.commands(clips)))
    return {
        "wer_pipeline": rounded(figures_.pipeline_wer(_scored(heard)).rate, 4),
        "cut_off_rate": figures_.cut_offs(_of(heard, inner))["rate"],
        "cut_offs": cut,
        **figures_.delay_figures("endpoint_delay_virtual", delays),
        "false_turns_per_minute": _false_turns(noisy),
        "false_turns": {
            clip.name: {
                "texts": [turn.text for turn in one.answered],
                "discarded": one.discarded,
                "minutes": rounded(one.seconds / 60, 2),
            }
            for clip, one in noisy
        },
    }


def _noise_files(plan: Plan, noises: Sequence[Clip], folder: Path) -> list[tuple[Clip, Path]]:
    return [
        (clip, write_looped(clip, 60 * plan.noise_minutes / len(noises), folder)) for clip in noises
    ]


def _converse(
    pool: Workers, clips: Sequence[Clip], variants: dict[str, Overrides], label: str
) -> dict[str, list[Outcome]]:
    """What each variant heard of each clip."""
    results = pool.map(converse, [(clip.path, variants) for clip in clips], label)
    return {
        name: [(clip, one[name]) for clip, one in zip(clips, results, strict=True)]
        for name in variants
    }


def _converse_noise(
    pool: Workers,
    noises: Sequence[tuple[Clip, Path]],
    variants: dict[str, Overrides],
    label: str,
) -> dict[str, list[Outcome]]:
    results = pool.map(converse, [(path, variants) for _, path in noises], f"{label}, noise, clips")
    return {
        name: [(clip, one[name]) for (clip, _), one in zip(noises, results, strict=True)]
        for name in variants
    }


def _false_turns(outcomes: Sequence[Outcome]) -> float | None:
    minutes = sum(heard.seconds for _, heard in outcomes) / 60
    turns = sum(len(heard.answered) for _, heard in outcomes)
    return rounded(turns / minutes) if minutes else None


# ── variants ─────────────────────────────────────────────────────────────────────────────────


def _variants(
    plan: Plan,
    pool: Workers,
    model: str,
    clips: Sequence[Clip],
    noises: Sequence[tuple[Clip, Path]],
) -> dict[str, Any]:
    """The ablation, and the sweeps over the thresholds, of one model."""
    every = 3 if 0 < plan.most_of_category <= _FEW_CLIPS else 1
    ablation, without = usable(ABLATION[::every])
    curves = {name: usable(variants[::every])[0] for name, variants in CURVES.items()}
    together = {variant.name: variant for points in curves.values() for variant in points}
    together |= {variant.name: variant for variant in ablation}
    overrides = {name: merged(_virtually(model), one.overrides) for name, one in together.items()}
    pauses = clips_.with_inner_pause(clips)
    inner = pauses["constructed"] + pauses["natural"]
    wanted = _union(clips_.commands(clips), inner)
    heard = _converse(pool, wanted, overrides, f"{model}, {len(overrides)} variants, clips")
    ablated = {one.name: overrides[one.name] for one in ablation}
    noisy = _converse_noise(pool, noises, ablated, f"{model}, {len(ablated)} variants")

    def point(variant: Variant) -> dict[str, Any]:
        outcomes = heard[variant.name]
        delays = figures_.endpoint_delays(_of(outcomes, clips_.commands(clips)))
        return {
            "name": variant.name,
            "options": variant.overrides,
            "pause_seconds": variant.pause_seconds,
            "cut_off_rate": figures_.cut_offs(_of(outcomes, inner))["rate"],
            **figures_.delay_figures("endpoint_delay", delays),
        }

    rows = []
    for variant in ablation:
        row = {key: value for key, value in point(variant).items() if key != "pause_seconds"}
        row["wer_pipeline"] = rounded(figures_.pipeline_wer(_scored(heard[variant.name])).rate, 4)
        row["false_turns_per_minute"] = _false_turns(noisy[variant.name])
        row |= _transcriber_cost(pool, variant, model, clips, min(4, plan.most_of_category or 4))
        rows.append(row)
    rows += [{"name": name, "left_out": f"there is no {key}"} for name, key in without.items()]
    return {
        "ablation": rows,
        "tradeoff": {
            "model": model,
            "clock": "virtual: the time that models take does not pass",
            "utterances_with_inner_pause": len(inner),
            "commands": len(clips_.commands(clips)),
            "as_shipped": point(DEFAULT),
            "curves": {
                name: [point(variant) for variant in points] for name, points in curves.items()
            },
        },
    }


def _transcriber_cost(
    pool: Workers, variant: Variant, model: str, clips: Sequence[Clip], most_of_category: int
) -> dict[str, Any]:
    """Word errors and processor time of the transcriber alone, if the variant touches it."""
    if variant is not DEFAULT and "listen" not in variant.overrides:
        return {}
    chosen = clips_.thinned(clips_.english(clips), most_of_category)
    overrides = merged(_in(model), variant.overrides)
    tasks = [(clip, overrides, False) for clip in chosen]
    decoded = pool.map(decode_clip, tasks, f"{variant.name}, transcriber alone, clips")
    seconds = sum(clip.seconds for clip in chosen)
    return {
        "wer_incremental": figures_.decoding_figures(decoded)["wer_incremental"],
        "transcriber_cpu_per_audio_second": rounded(
            sum(one.cpu_seconds for one in decoded) / seconds
        ),
    }


_ABLATION_COLUMNS = {
    "cut_off_rate": "cut off",
    "endpoint_delay_p50": "delay p50",
    "endpoint_delay_p95": "delay p95",
    "false_turns_per_minute": "false turns/min",
    "wer_pipeline": "WER",
    "wer_incremental": "WER alone",
    "transcriber_cpu_per_audio_second": "CPU alone",
}


def _ablation_table(rows: Sequence[Mapping[str, Any]]) -> str:
    head = ["ablation (virtual time)", *_ABLATION_COLUMNS.values()]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for row in rows:
        cells = [row["name"]]
        if "left_out" in row:
            cells += [row["left_out"], *[""] * (len(_ABLATION_COLUMNS) - 1)]
        else:
            values = (row.get(key) for key in _ABLATION_COLUMNS)
            cells += ["" if value is None else f"{value:g}" for value in values]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


# ── choices ──────────────────────────────────────────────────────────────────────────────────


def _in(model: str, language: str = "en") -> Overrides:
    return {"listen": {"model": model, "language": language, "threads": 1}}


def _virtually(model: str) -> Overrides:
    return merged(_in(model), {"listen": {"partial_seconds": _VIRTUAL_PARTIAL_SECONDS}})


def _of(outcomes: Iterable[Outcome], clips: Iterable[Clip]) -> list[Outcome]:
    paths = {clip.path for clip in clips}
    return [(clip, heard) for clip, heard in outcomes if clip.path in paths]


def _scored(outcomes: Iterable[Outcome]) -> list[Outcome]:
    return [(clip, heard) for clip, heard in outcomes if clip.scored and clip.language == "en"]


def _union(*several: Iterable[Clip]) -> list[Clip]:
    return list({clip.path: clip for clips in several for clip in clips}.values())
