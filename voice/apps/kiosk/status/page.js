"use strict";
// Draws what /events tells. Times in a report are seconds of one clock, which only has ages.

const PARTS = {
  endpoint: "pause", transcribe: "words", first_token: "first token",
  first_audio: "first sound", other: "other",
};
const MEANINGS = {
  loading: "models and devices are being opened",
  asleep: "nobody is here",
  ready: "waiting for the visitor’s words",
  listening: "the visitor speaks",
  thinking: "the answer is being prepared",
  speaking: "the answer is heard",
  ducked: "the answer goes on in a low voice: was that the visitor?",
  held: "the answer waits for the visitor",
  fault: "visitors are not heard",
  stopping: "the kiosk is about to end",
  unreachable: "this page has lost the kiosk, and tries again",
};
const VERDICTS = {
  ok: "healthy", degraded: "degraded", faulty: "needs attention", unreachable: "no contact",
};
const COUNTS = {
  visits: "visits", turns: "turns", bargeins: "interruptions", failed_answers: "failed answers",
  faults: "faults", connections_lost: "lost connections",
};

const by = (id) => document.getElementById(id);
let report = null;
let receivedAt = 0;
let reachable = false;

function element(name, text = "", attributes = {}) {
  const svg = ["svg", "g", "rect", "line", "path", "text", "title", "circle"].includes(name);
  const made = svg
    ? document.createElementNS("http://www.w3.org/2000/svg", name)
    : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.textContent = text;
  return made;
}

function say(id, text) {
  if (by(id).textContent !== text) by(id).textContent = text; // a live region repeats what changes
}

function duration(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const [days, hours, minutes] = [whole / 86400, (whole / 3600) % 24, (whole / 60) % 60].map(Math.floor);
  if (days) return `${days} d ${hours} h`;
  if (hours) return `${hours} h ${minutes} min`;
  return minutes ? `${minutes} min ${whole % 60} s` : `${whole} s`;
}

const precise = (seconds) => (seconds === null ? "–" : `${seconds.toFixed(2)} s`);

function list(id, rows) {
  by(id).replaceChildren(
    ...rows.filter(([, value]) => value !== "")
      .flatMap(([name, value]) => [element("dt", name), element("dd", value)]));
}

// ── what changes by itself: ages ──────────────────────────────────────────────────────────

function drawAges() {
  const passed = (performance.now() - receivedAt) / 1000;
  const state = reachable ? report.state : "unreachable";
  const verdict = reachable ? report.verdict : "unreachable";
  document.body.dataset.state = state;
  document.title = `${state} – Voice kiosk`;
  say("state", state);
  const age = reachable && report ? report.state_seconds + passed : passed;
  say("meaning", `${MEANINGS[state] ?? ""} · for ${duration(age)}`);
  say("verdict", VERDICTS[verdict]);
  by("verdict").className = `chip ${verdict}`;
  if (!report) return;
  say("uptime", `up ${duration(report.uptime_seconds + passed)}`);
  document.querySelectorAll(".reason small").forEach((age, index) => {
    age.textContent = `for ${duration(report.reasons[index].seconds + passed)}`;
  });
  drawConnection(passed);
}

function drawConnection(passed) {
  const { connection, answered_by: other, at } = report;
  const up = connection?.up;
  list("connection", [
    ["state", connection ? (up ? "connected" : "not connected") : "not yet connected"],
    ["for", connection ? duration(at - connection.at + passed) : ""],
    ["address", connection ? connection.url : ""],
    ["over", connection ? connection.transport : ""],
    ["why", connection && !up ? connection.reason : ""],
    ["answers", other ? `${other}, in its place` : ""],
  ]);
}

// ── what a report changes ─────────────────────────────────────────────────────────────────

function draw() {
  drawReasons();
  drawLatency();
  list("devices", [
    ["microphone", report.devices.input ?? "–"],
    ["speaker", report.devices.output ?? "–"],
    ["echo", report.devices.echo ?? ""],
  ]);
  list("counts", [
    ...Object.entries(COUNTS).map(([what, name]) => [name, String(report.counts[what] ?? 0)]),
    ["memory", `${Math.round(report.usage.rss_bytes / 1e6)} MB`],
    ["processor", `${report.usage.cpu_percent.toFixed(0)} % of a core`],
  ]);
  drawWords();
  drawAges();
}

let toldReasons = "";

function drawReasons() {
  const told = JSON.stringify(report.reasons.map(({ seconds, ...rest }) => rest));
  if (told === toldReasons) return; // a live region repeats what is put into it
  toldReasons = told;
  by("reasons").replaceChildren(...report.reasons.map(drawReason));
}

function drawReason(reason) {
  const calm = ["loading", "stopping"].includes(reason.fault);
  const made = element("div", "", { class: calm ? "reason calm" : "reason" });
  made.append(element("b", reason.fault), `: ${reason.problem} `);
  made.append(element("small", "", { "aria-live": "off" }));
  if (reason.cure) made.append(element("p", `→ ${reason.cure}`));
  return made;
}

function drawWords() {
  const said = report.turns.filter((turn) => turn.user_text || turn.assistant_text);
  by("words").hidden = said.length === 0;
  by("transcript").replaceChildren(...said.slice(-6).map((turn) => {
    const made = element("li");
    made.append(element("b", "visitor "), turn.user_text, element("br"));
    made.append(element("i", "kiosk "), turn.assistant_text);
    return made;
  }));
}

// ── the plot ──────────────────────────────────────────────────────────────────────────────

const HEIGHT = 208;
const EDGE = { top: 18, right: 62, bottom: 8, left: 40 };

/** A turn's parts in the order in which they pass; `other` is what none of them explains. */
function partsOf(latency) {
  const parts = Object.keys(PARTS).filter((part) => part !== "other")
    .map((part) => [part, Math.max(0, latency[part] ?? 0)]);
  const rest = (latency.voice_to_voice ?? 0) - parts.reduce((sum, [, seconds]) => sum + seconds, 0);
  return rest > 0.005 && latency.voice_to_voice ? [...parts, ["other", rest]] : parts;
}

function drawLatency() {
  const turns = report.turns.filter((turn) => turn.failed || turn.latency.voice_to_voice !== null);
  const { median_seconds: median, p95_seconds: high } = report;
  const latest = turns.findLast((turn) => turn.latency.voice_to_voice !== null);
  list("summary", [
    ["latest", precise(latest ? latest.latency.voice_to_voice : null)],
    ["median", precise(median)],
    ["95 % within", precise(high)],
  ]);
  const width = Math.max(280, by("plot").clientWidth);
  const label = `The last ${turns.length} turns; median ${precise(median)}, 95 % within ${precise(high)}.`;
  const svg = element("svg", "", { viewBox: `0 0 ${width} ${HEIGHT}`, role: "img", "aria-label": label });
  const longest = Math.max(1, ...turns.map((turn) => turn.latency.voice_to_voice ?? 0));
  const step = [0.25, 0.5, 1, 2, 5].find((size) => longest / size <= 4) ?? 10;
  const top = Math.ceil(longest / step) * step;
  const y = (seconds) => HEIGHT - EDGE.bottom - (seconds / top) * (HEIGHT - EDGE.top - EDGE.bottom);
  drawGrid(svg, width, step, top, y);
  const room = width - EDGE.left - EDGE.right;
  const pitch = Math.min(34, room / Math.max(1, turns.length));
  turns.forEach((turn, index) => svg.append(drawTurn(turn, EDGE.left + 4 + index * pitch, pitch, y)));
  drawLevels(svg, width, [["median", median], ["95 %", high]], y);
  if (!turns.length) svg.append(element("text", "no turns yet", { x: EDGE.left + 12, y: HEIGHT / 2 }));
  by("plot").replaceChildren(svg);
  drawLegend(turns);
}

function drawGrid(svg, width, step, top, y) {
  for (let seconds = 0; seconds <= top + 1e-9; seconds += step) {
    const at = y(seconds);
    svg.append(
      element("line", "", { class: "grid", x1: EDGE.left, x2: width - EDGE.right, y1: at, y2: at }),
      element("text", `${seconds} s`, { x: EDGE.left - 6, y: at + 4, "text-anchor": "end" }));
  }
}

function drawTurn(turn, x, pitch, y) {
  const made = element("g", "", { class: "turn" });
  const wide = Math.max(2, pitch * 0.72);
  const parts = turn.failed ? [] : partsOf(turn.latency);
  const told = parts.map(([part, seconds]) => `${PARTS[part]} ${precise(seconds)}`).join(", ");
  const total = turn.failed ? `failed: ${turn.failed}` : `${precise(turn.latency.voice_to_voice)}: ${told}`;
  made.append(element("title", `${duration(report.at - turn.at)} ago. ${total}`));
  let end = 0;
  for (const [part, seconds] of parts) {
    const height = y(end) - y(end + seconds);
    end += seconds;
    made.append(element("rect", "", { class: part, x, y: y(end), width: wide, height }));
  }
  const middle = x + wide / 2;
  if (turn.failed) {
    const d = `M${middle - 4} ${y(0) - 12}l8 8m0 -8l-8 8`;
    made.append(element("path", "", { class: "mark", d }));
  } else if (turn.interrupted) {
    made.append(element("circle", "", { class: "cut", cx: middle, cy: y(end) - 6, r: 2.5 }));
  }
  return made;
}

function drawLevels(svg, width, levels, y) {
  let above = Infinity;
  for (const [name, seconds] of levels) {
    if (seconds === null) continue;
    const at = y(seconds);
    const text = Math.min(at + 4, above - 15);
    above = text;
    const x = width - EDGE.right;
    svg.append(
      element("line", "", { class: "level", x1: EDGE.left, x2: x, y1: at, y2: at }),
      element("text", name, { class: "label", x: x + 5, y: text }));
  }
}

function drawLegend(turns) {
  const shown = new Set(turns.flatMap((turn) => partsOf(turn.latency).map(([part]) => part)));
  const rows = Object.keys(PARTS).filter((part) => shown.has(part)).map((part) =>
    [element("rect", "", { class: part, width: 10, height: 10, rx: 2 }), PARTS[part]]);
  if (turns.some((turn) => turn.interrupted && !turn.failed)) {
    rows.push([element("circle", "", { class: "cut", cx: 5, cy: 5, r: 3 }), "interrupted"]);
  }
  if (turns.some((turn) => turn.failed)) {
    const cross = element("path", "", { class: "mark", d: "M1 1l8 8m0 -8l-8 8" });
    rows.push([cross, "no whole answer"]);
  }
  by("legend").replaceChildren(...rows.map(([shape, text]) => {
    const made = element("li");
    const picture = element("svg", "", { viewBox: "0 0 10 10", "aria-hidden": "true" });
    picture.append(shape);
    made.append(picture, text);
    return made;
  }));
}

// ── the line to the kiosk ─────────────────────────────────────────────────────────────────

const events = new EventSource("events");
events.onmessage = (message) => {
  [report, receivedAt, reachable] = [JSON.parse(message.data), performance.now(), true];
  draw();
};
events.onerror = () => {
  if (reachable) receivedAt = performance.now();
  reachable = false;
  drawAges();
};
setInterval(drawAges, 1000);
new ResizeObserver(() => report && drawLatency()).observe(by("plot"));
