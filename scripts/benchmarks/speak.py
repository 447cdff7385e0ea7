"""The benchmark of speaking: how soon a clause sounds, what it costs, and whether it is right.

Windows and the whole synthesis are measured in turn, in the same run, with the same voice, rate
and threads: on a machine that does other work too, believe the ratios, and the processor's time
(`cpu`), which with one thread is what an idle machine would need.
"""

from __future__ import annotations

import multiprocessing
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from scripts.benchmarks.figures import code_version, kept, load, machine, quantile, rounded
from scripts.benchmarks.speak_hearing import heard
from scripts.benchmarks.speak_texts import CLAUSES
from voice.models.resolve import weights
from voice.speak.options import SpeakOptions
from voice.speak.phonemes import Phonemizer
from voice.speak.piper import PiperSynthesizer
from voice.speak.synthesizer import Synthesizer
from voice.speak.vits import Scales, Staged, Vits, Whole
from voice.speak.voice_model import load_config, load_graph, load_whole

OUTPUT_RATE = 48_000
"""Hz: that of most sound cards, so that resampling is part of the time."""

TARGETS = {"first_sound_ms_p50_4_words": 60, "first_sound_ms_p50_25_words": 120}
"""On an idle machine with two cores."""


@dataclass(slots=True)
class _Times:
    """Seconds of many clauses of one length, spoken in one way.

    Until the first sound (and the processor's until then) and until all of it was there, the length
    of the sound, and how long before its turn to be played each further piece was there.
    """

    first: list[float] = field(default_factory=list)
    first_cpu: list[float] = field(default_factory=list)
    all: list[float] = field(default_factory=list)
    sound: list[float] = field(default_factory=list)
    slack: list[float] = field(default_factory=list)

    def add(self, synthesizer: Synthesizer, text: str) -> None:
        """Speak a clause as fast as possible."""
        began, cpu_began = time.perf_counter(), time.process_time()
        played_to = 0.0
        seconds = 0.0
        for sound in synthesizer.synthesize(text):
            now = time.perf_counter() - began
            if seconds:
                self.slack.append(played_to - now)
            else:
                self.first.append(now)
                self.first_cpu.append(time.process_time() - cpu_began)
                played_to = now
            seconds += len(sound.samples) / synthesizer.rate
            played_to += len(sound.samples) / synthesizer.rate
        self.all.append(time.perf_counter() - began)
        self.sound.append(seconds)


def measure_speak(voice: str, rounds: int, threads: Sequence[int]) -> dict[str, Any]:
    """All figures of a voice, for each number of threads."""
    model = weights(voice, ".onnx")
    load_before = load()
    result: dict[str, Any] = {
        "voice": voice,
        "output_rate": OUTPUT_RATE,
        "rounds": rounds,
        "threads": {},
        "samples": {},
    }
    for count in threads:
        print(f"{count} threads", file=sys.stderr)
        figures, samples = _measure(model, rounds, count)
        result["threads"][str(count)] = figures
        result["samples"] |= {f"threads.{count}.{name}": of for name, of in samples.items()}
    result["heard"] = heard(model)
    result["memory_mb"] = {kind: _peak_memory_mb(model, kind) for kind in ("windows", "whole")}
    result |= {
        "targets_ms": TARGETS,
        "code": code_version(),
        "machine": machine(),
        "load_before": load_before,
        "load_after": load(),
    }
    return result


def _measure(
    model: Path, rounds: int, threads: int
) -> tuple[dict[str, Any], dict[str, list[float]]]:
    """The figures, and the samples behind those that have some."""
    config = load_config(model)
    began = time.perf_counter()
    graph = load_graph(model, config, threads)
    load_seconds = time.perf_counter() - began
    graphs: dict[str, Whole | Staged] = {
        "windows": graph,
        "whole": load_whole(model, config, threads),
    }
    options = SpeakOptions(threads=threads)
    times = {(kind, words): _Times() for kind in graphs for words in CLAUSES}
    for number in range(rounds + 1):
        # New ones, because they remember words: an answer seldom repeats all of them.
        voices = {
            kind: PiperSynthesizer(config, one, OUTPUT_RATE, options)
            for kind, one in graphs.items()
        }
        for words, clauses in CLAUSES.items():
            for clause in clauses[: None if number else 1]:  # the first round warms up
                for kind, synthesizer in voices.items():
                    noted = times[kind, words] if number else _Times()
                    noted.add(synthesizer, clause)
    figures: dict[str, Any] = {"load_seconds": rounded(load_seconds)}
    samples: dict[str, list[float]] = {}
    for words in CLAUSES:
        figures |= _figures(words, times["windows", words], times["whole", words])
        samples |= _samples(words, times["windows", words], times["whole", words])
    for kind in graphs:
        of_kind = [times[kind, words] for words in CLAUSES]
        work, sound = sum(sum(one.all) for one in of_kind), sum(sum(one.sound) for one in of_kind)
        figures[f"rtf_{kind}"] = rounded(work / sound, 4)
    slack = [value for words in CLAUSES for value in times["windows", words].slack]
    figures["further_pieces"] = len(slack)
    figures["gaps"] = sum(value < 0 for value in slack)
    figures["slack_ms_min"] = _ms(min(slack))
    if isinstance(graph, Staged):
        figures["chunk_error"] = float(f"{_chunk_error(graph, model):.2g}")
    return figures, samples


def _figures(words: int, windows: _Times, whole: _Times) -> dict[str, Any]:
    return {
        f"first_sound_ms_p50_{words}_words": _ms(quantile(windows.first, 0.5)),
        f"first_sound_ms_p95_{words}_words": _ms(quantile(windows.first, 0.95)),
        f"first_sound_cpu_ms_p50_{words}_words": _ms(quantile(windows.first_cpu, 0.5)),
        f"whole_first_sound_ms_p50_{words}_words": _ms(quantile(whole.first, 0.5)),
        f"first_sound_ratio_p50_{words}_words": rounded(quantile(_ratios(windows, whole), 0.5)),
    }


def _samples(words: int, windows: _Times, whole: _Times) -> dict[str, list[float]]:
    """What lies behind the figures, clause by clause: in ms, and ratios."""
    return {
        f"first_sound_ms_{words}_words": kept(windows.first, 1e3),
        f"first_sound_cpu_ms_{words}_words": kept(windows.first_cpu, 1e3),
        f"whole_first_sound_ms_{words}_words": kept(whole.first, 1e3),
        f"first_sound_ratio_{words}_words": kept(_ratios(windows, whole)),
    }


def _ratios(windows: _Times, whole: _Times) -> list[float]:
    return [one / other for one, other in zip(windows.first, whole.first, strict=True)]


def _chunk_error(graph: Staged, model: Path) -> float:
    """The largest difference between windows and the whole, of full scale 1, with equal noise."""
    config = load_config(model)
    phonemizer = Phonemizer(config)
    scales = Scales(config.noise_scale, config.length_scale, config.noise_w_scale)
    vits = Vits(graph, scales, 0 if config.num_speakers > 1 else None)
    worst = 0.0
    for clause in (clause for clauses in CLAUSES.values() for clause in clauses):
        for sentence in phonemizer.sentences(clause):
            drawn = vits.draw(phonemizer.ids(sentence.phonemes))
            (whole,) = graph.decode(drawn, [(0, drawn.frames)])
            difference = np.abs(np.concatenate(list(vits.decode(drawn))) - whole)
            worst = max(worst, float(difference.max()))
    return worst


def _peak_memory_mb(model: Path, kind: str) -> float:
    """The most memory (RSS) of a new process that speaks the longest clauses."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as process:
        return process.submit(_speak_and_weigh, model, kind).result()


def _speak_and_weigh(model: Path, kind: str) -> float:
    config = load_config(model)
    loader = load_graph if kind == "windows" else load_whole
    graph: Whole | Staged = loader(model, config, 2)
    synthesizer = PiperSynthesizer(config, graph, OUTPUT_RATE, SpeakOptions())
    for clause in CLAUSES[25] * 2:
        for _ in synthesizer.synthesize(clause):
            pass
    status = Path("/proc/self/status").read_text(encoding="ascii")
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM"))
    return round(int(line.split()[1]) / 1024, 0)


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(1000 * seconds, 1)


def report(result: dict[str, Any]) -> str:
    """The figures as a table: a row each, a column for each number of threads."""
    columns = result["threads"]
    names = list(next(iter(columns.values())))
    lines = [f"{'':38}" + "".join(f"{count + ' threads':>14}" for count in columns)]
    lines += [
        f"{name:38}" + "".join(f"{columns[count].get(name)!s:>14}" for count in columns)
        for name in names
    ]
    lines += [
        f"{part + ' ' + name:38}{value!s:>14}"
        for part in ("heard", "memory_mb")
        for name, value in result[part].items()
    ]
    return "\n".join(lines)
