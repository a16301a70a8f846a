// The log lines of a function, those that are kept and those that come.

import { follow } from "./events.js";
import { h, update } from "./dom.js";
import { time } from "./format.js";

/** Lines that the page holds. */
const LINES_MAX = 1_000;
const LEVELS = ["trace", "debug", "info", "warn", "error"];
const DRAW_MS = 150;

export async function logs(view, { path, body }) {
  let lines = [];
  const level = h("select", { id: "level", onchange: () => draw() },
    LEVELS.map((name) => h("option", { value: name, selected: name === (view.search.get("level") ?? "trace") }, name)));
  const words = h("input", { id: "words", type: "search", value: view.search.get("words"), oninput: () => draw() });
  const list = h("ol", { class: "log", tabindex: "0", role: "log", "aria-label": "Log lines", "aria-live": "off" });
  const state = h("p", { class: "quiet" }, "Connecting …");
  body.append(
    h("form", { class: "bar", onsubmit: (event) => event.preventDefault() },
      h("label", { for: "level" }, "From level"), level,
      h("label", { for: "words" }, "With"), words),
    state, list);

  function draw() {
    view.keep({ level: level.value === "trace" ? null : level.value, words: words.value });
    const least = LEVELS.indexOf(level.value);
    const wanted = words.value.toLowerCase();
    const shown = lines.filter((line) =>
      LEVELS.indexOf(line.level) >= least && line.message.toLowerCase().includes(wanted));
    const atEnd = list.scrollTop + list.clientHeight >= list.scrollHeight - 8;
    update(list, shown.map((line) =>
      h("li", { class: line.level, "data-key": line.id },
        h("time", null, time(line.time_ms)), h("b", null, line.level),
        h("i", null, `p${line.partition}`), h("span", null, line.message))));
    if (atEnd) list.scrollTop = list.scrollHeight;
    state.textContent = shown.length === lines.length
      ? `${lines.length} lines, newest last; new ones appear as they come.`
      : `${shown.length} of ${lines.length} lines.`;
  }

  let timer = null;
  const soon = () => (timer ??= setTimeout(() => ((timer = null), draw()), DRAW_MS));
  view.attempt(() => follow(`${path}/logs`, {
    signal: view.signal,
    onOpen() {
      // What is kept comes again with each connection.
      lines = [];
      soon();
    },
    onEvent({ id, data }) {
      lines.push({ id, ...JSON.parse(data) });
      if (lines.length > LINES_MAX) lines.shift();
      soon();
    },
    onTrouble: () => (state.textContent = "The connection broke off; trying again …"),
  }));
}
