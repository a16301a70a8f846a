// A function watched while it works: what goes in, and beside it what comes of it.

import { follow } from "./events.js";
import { h, say, update } from "./dom.js";
import { count, local, time } from "./format.js";

/** Samples that the page holds, the newest. */
const SAMPLES_MAX = 200;
const DRAW_MS = 150;

const text = (value) =>
  value === null || value === undefined ? "" : typeof value === "string" ? value : JSON.stringify(value);

/** Where a record is, or which window or timer it was. */
function place({ kind, topic, partition, offset, start_ms, end_ms, timer, due_ms }) {
  if (kind === "record") return `${local(topic)} ${partition}:${offset}`;
  if (kind === "window") return `window ${time(start_ms)} to ${time(end_ms)}`;
  return `timer ${timer} of ${time(due_ms)}`;
}

const pair = (key, value) => [h("b", null, text(key)), key === null ? "" : " ", h("span", null, text(value))];

function given(sample) {
  return h("td", { "data-title": "in" }, h("div", null,
    h("p", { class: "quiet" }, place(sample.cause), `, version ${sample.version}`,
      sample.side && [" ", h("span", { class: "badge" }, sample.side)],
      sample.late && [" ", h("span", { class: "badge" }, "late")]),
    h("p", null, pair(sample.cause.key ?? null, sample.value))));
}

function cameOf(sample) {
  const nothing = sample.sent.length === 0 && sample.changes === 0 && !sample.fault;
  return h("td", { "data-title": "out" }, h("div", null,
    sample.sent.map((sent) => h("p", null, h("span", { class: "quiet" }, `${local(sent.topic)} `), pair(sent.key ?? null, sent.value))),
    sample.changes > 0 && h("p", { class: "quiet" }, `${count(sample.changes)} changes of state`),
    sample.fault && h("p", { class: "error" }, sample.fault),
    nothing && h("p", { class: "quiet" }, "nothing")));
}

export async function tap(view, { path, body }) {
  let samples = [];
  let number = 0;
  let missed = 0;
  let running = null;
  const toggle = h("button", { type: "button", onclick: () => (running ? stop() : start()) }, "Start");
  const state = h("p", { class: "quiet" }, "Nothing is watched. While nobody looks on, nothing is kept.");
  const rows = h("tbody", null);
  const titles = ["in", "out"].map((name) => h("th", { scope: "col" }, name));
  const list = h("div", { class: "scroll rows tap", tabindex: "0", role: "region", "aria-label": "Samples", hidden: true },
    h("table", null, h("thead", null, h("tr", null, titles)), rows));
  body.append(h("div", { class: "bar" }, toggle), state, list);

  function draw() {
    update(rows, samples.map((sample) => h("tr", { "data-key": sample.number }, given(sample), cameOf(sample))));
    list.hidden = samples.length === 0;
    const lost = missed > 0 ? ` ${count(missed)} more came faster than they could be shown.` : "";
    const told = number === 0 ? "waiting for the first" : `${count(number)} so far, newest first`;
    state.textContent = `${running ? "Watching" : "Stopped"}: ${told}.${lost}`;
  }

  let timer = null;
  const soon = () => (timer ??= setTimeout(() => ((timer = null), draw()), DRAW_MS));

  function stop() {
    running?.abort();
    running = null;
    toggle.textContent = "Start";
    say("Stopped");
    draw();
  }

  function start() {
    const mine = new AbortController();
    view.signal.addEventListener("abort", () => mine.abort(), { once: true });
    [samples, number, missed, running] = [[], 0, 0, mine];
    toggle.textContent = "Stop";
    state.textContent = "Connecting …";
    list.hidden = true;
    view.attempt(async () => {
      try {
        await follow(`${path}/tap`, {
          signal: mine.signal,
          onOpen: soon,
          onEvent({ event, data }) {
            const told = JSON.parse(data);
            if (event === "missed") missed += told.missed;
            else samples = [{ ...told, number: number++ }, ...samples].slice(0, SAMPLES_MAX);
            soon();
          },
          onTrouble: () => (state.textContent = "The connection broke off; trying again …"),
        });
      } finally {
        if (running === mine && !view.signal.aborted) stop();
      }
    });
  }
}
