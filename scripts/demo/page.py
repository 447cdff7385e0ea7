"""One page with everything, and the plots as pictures: no file beside it, no script, no network."""

from __future__ import annotations

import base64
import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from scripts.benchmarks.figures import Target
from scripts.demo.plots_transport import plot_bytes, plot_model, plot_parts, plot_totals
from scripts.demo.plots_voice import plot_rate, plot_stages, plot_waterfalls
from scripts.demo.results import Results, figures, headline_rtt, judged, typical_turns
from scripts.demo.theme import DARK, LIGHT, Draw, png, svg
from scripts.demo.words import conditions, summary

TITLE: Final = "What WebSocket mode and this pipeline save"

_STYLE: Final = """
:root { color-scheme: light dark; --ground: #ffffff; --ink: #1f2328; --faint: #d0d7de;
  --quiet: #57606a; --good: #1a7f37; --bad: #b42318; }
@media (prefers-color-scheme: dark) { :root { --ground: #0d1117; --ink: #e6edf3;
  --faint: #30363d; --quiet: #9aa3af; --good: #4cc26a; --bad: #ff8a7a; } }
body { background: var(--ground); color: var(--ink); max-width: 58rem; margin: 0 auto;
  padding: 2rem 1.2rem 4rem; font: 16px/1.55 system-ui, sans-serif; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 .4rem; }
h2 { font-size: 1.25rem; margin: 2.6rem 0 .4rem; }
.quiet, figcaption { color: var(--quiet); font-size: .9rem; }
figure { margin: 1.4rem 0; }
picture { display: block; overflow-x: auto; }
figure img { width: 100%; min-width: 38rem; height: auto; display: block; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; }
th, td { text-align: left; padding: .3rem .6rem .3rem 0; border-bottom: 1px solid var(--faint); }
.number { text-align: right; font-variant-numeric: tabular-nums; }
.met { color: var(--good); } .missed { color: var(--bad); font-weight: 600; }
"""

_NOTES: Final = (
    "The link delays what passes in both directions by half the round-trip time and understands "
    "none of it. What a client sends within one round trip of opening a connection leaves after "
    "that round trip, as after a TCP handshake; TLS 1.3 adds its own round trip by itself.",
    "Bandwidth is not limited, nothing is lost, and TCP's window does not have to grow: what a "
    "whole context costs on a slow uplink comes on top of these figures.",
    "The tools answer at once. Clients are httpx and websockets, as they come; at a round trip of "
    "0 ms the difference between two ways is largely that between these two libraries.",
    "The figure of the first-clause split leaves out its larger part: a sentence of 26 words is "
    "written 0.4 s later than its first 3, at 60 tokens a second.",
    "Every chain begins with instructions that the server has not seen. On a cold prefix every "
    "request does.",
)

_NAMED: Final = {
    "model_websocket_to_http_new_cold": "24 calls with a model: time of (d) to (a), cold prefix",
    "model_websocket_to_http_cold": "the same of (d) to (b), cold prefix",
    "model_websocket_to_http": "the same of (d) to (b), warm prefix",
    "model_websocket_to_http_id": "the same of (d) to (c)",
    "tokens_per_second_followed": "tokens a second that are followed",
}
"""The figures with targets, as a reader would call them."""


@dataclass(frozen=True, slots=True)
class Plot:
    """A plot and what it says."""

    name: str
    part: str
    caption: str
    draw: Draw


def plots(results: Results) -> list[Plot]:
    """The plots that there is something for."""
    found: list[Plot] = []
    if chains := results.chains:
        found += [
            Plot(
                "transport",
                "Transport",
                "The whole chain, by way of asking and round-trip time. Whiskers: if all calls "
                "after the first took as long as the quickest or slowest tenth of them.",
                partial(plot_totals, chains),
            ),
            Plot(
                "parts",
                "Transport",
                f"Where a call's time goes, at {headline_rtt(chains):g} ms.",
                partial(plot_parts, chains),
            ),
            Plot(
                "bytes", "Transport", "What the chain costs in bytes.", partial(plot_bytes, chains)
            ),
        ]
    if chains := results.model_chains:
        caption = (
            "The same with a model that reads what it is sent. Hatched and dashed: on a cold "
            "prefix. On the right each call by itself, in the colours of the left."
        )
        found.append(Plot("model", "With a model", caption, partial(plot_model, chains)))
    if followed := results.followed:
        caption = "On the dotted line the client keeps up with what is written."
        found.append(Plot("rate", "Rate", caption, partial(plot_rate, followed)))
    if turns := results.turns:
        caption = "From the last sample of the question to the first sample of the answer."
        found.append(
            Plot("waterfalls", "Voice", caption, partial(plot_waterfalls, typical_turns(turns)))
        )
    if stages := results.stages:
        caption = "Mechanisms that are always on in the pipeline, each by itself; medians."
        found.append(Plot("mechanisms", "Voice", caption, partial(plot_stages, stages)))
    return found


def page(results: Results) -> str:
    """The page as HTML."""
    drawn = plots(results)
    body = [f"<h1>{TITLE}</h1>", f'<p class="quiet">{html.escape(conditions(results))}</p>']
    if results.conditions["quick"]:
        body.append('<p class="missed">A quick run: it shows that it works, not how fast.</p>')
    body.append(_targets(figures(results), judged(results)))
    for part, lines in summary(results).items():
        body.append(f"<h2>{part}</h2>")
        body += [f"<p>{html.escape(line)}</p>" for line in lines]
        body += [_figure(plot) for plot in drawn if plot.part == part]
    body.append("<h2>How it was measured</h2>")
    body += [f"<p>{html.escape(note)}</p>" for note in _NOTES]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{TITLE}</title><style>{_STYLE}</style></head>\n<body>\n"
        + "\n".join(body)
        + "\n</body></html>\n"
    )


def save_pictures(drawn: Sequence[Plot], folder: Path) -> None:
    """Each as `latency-<name>.png` on light ground."""
    folder.mkdir(parents=True, exist_ok=True)
    for plot in drawn:
        (folder / f"latency-{plot.name}.png").write_bytes(png(plot.draw))


def _figure(plot: Plot) -> str:
    """Two pictures, of which the reader's colour scheme chooses one."""
    caption = html.escape(plot.caption)
    return (
        '<figure><picture><source media="(prefers-color-scheme: dark)" '
        f'srcset="{_data(svg(plot.draw, DARK))}"><img alt="{caption}" '
        f'src="{_data(svg(plot.draw, LIGHT))}"></picture>'
        f"<figcaption>{caption}</figcaption></figure>"
    )


def _data(picture: bytes) -> str:
    return f"data:image/svg+xml;base64,{base64.b64encode(picture).decode()}"


def _targets(found: Mapping[str, float], targets: Mapping[str, Target]) -> str:
    rows = [_row(name, found[name], target) for name, target in targets.items() if name in found]
    if not rows:
        return ""
    head = "<tr><th>figure</th><th class='number'>value</th><th>target</th><th></th></tr>"
    return f"<table>{head}{''.join(rows)}</table>"


def _row(name: str, value: float, target: Target) -> str:
    verdict = target.verdict(value)
    return (
        f'<tr><td>{_NAMED[name]}</td><td class="number">{value:,g}</td><td>{target}</td>'
        f'<td class="{verdict}">{verdict}</td></tr>'
    )
