// The first view: all functions, their graph, and the server's charts.

import { get, of } from "./api.js";
import { aSecond, Chart } from "./chart.js";
import { h, table, title, update } from "./dom.js";
import { count, local, micros, rate, short } from "./format.js";
import { graph } from "./graph.js";

const EVERY_MS = 2_000;

/** The word for a state, with its colour. */
export const badge = (state) => h("span", { class: `badge ${state}` }, state.replace("-", " "));

export const functionPath = (name, ...more) =>
  ["#/functions", encodeURIComponent(name), ...more].join("/");

function row(one) {
  const name = local(one.function);
  const cells = [
    one.pipeline
      ? h("span", null, h("a", { href: functionPath(name) }, name), " ",
        h("span", { class: "quiet" }, local(one.pipeline)))
      : h("a", { href: functionPath(name) }, name),
    badge(one.state),
    `v${one.version}`,
    one.recent ? rate(one.recent.records_in_rate) : "–",
    one.recent ? rate(one.recent.records_out_rate) : "–",
    count(one.lag),
    micros(one.recent?.p99_us),
    marked(one.faults),
    one.poison > 0
      ? h("a", { class: "bad", href: functionPath(name, "dead-letters") }, count(one.poison))
      : "0",
  ];
  cells.key = one.function;
  return cells;
}

const marked = (number) => (number > 0 ? h("span", { class: "bad" }, count(number)) : "0");

const TITLES = ["function", "state", ">version", ">in", ">out", ">lag", ">p99", ">faults", ">rejected"];

function first() {
  return h("div", { class: "empty" },
    h("p", null, "No function is deployed yet. In a folder of its own:"),
    h("pre", null, "pelton new hello && cd hello\npelton build && pelton deploy\n",
      "pelton produce hello.in --input sample.jsonl"));
}

export async function overview(view) {
  const functions = h("section", { "aria-label": "Functions" });
  const picture = h("section", { "aria-label": "Graph" });
  const sum = h("p", { class: "quiet" });
  const records = new Chart("Records of functions", ["in", "out"], rate);
  const produced = new Chart("Records of clients", ["produced", "consumed"], rate);
  const lag = new Chart("Lag of functions", ["records"], short);
  const faults = new Chart("Faults", ["calls"], rate);
  const charts = [records, produced, lag, faults];
  view.root.append(title("Functions"), sum, functions,
    h("h2", null, "Graph"), picture,
    h("h2", null, "The last 15 minutes"),
    h("div", { class: "charts two" }, charts.map((chart) => chart.element)));
  await view.every(EVERY_MS, async () => {
    const [drawn, past] = await Promise.all([
      get(of("graph"), view.signal), get("/api/v1/history", view.signal)]);
    const running = drawn.functions.filter((one) => one.state === "running").length;
    const all = drawn.functions.length;
    update(sum, all > 0 && `${running} of ${all} running`);
    update(functions, all > 0 ? table("Functions", TITLES, drawn.functions.map(row)) : first());
    update(picture, all > 0 ? graph(drawn) : h("p", { class: "empty" }, "Nothing to draw yet."));
    const per = (counts) => aSecond(counts, past.step_ms);
    records.set(past.times_ms, [per(past.records_in), per(past.records_out)]);
    produced.set(past.times_ms, [per(past.produced), per(past.consumed)]);
    lag.set(past.times_ms, [past.lag]);
    faults.set(past.times_ms, [per(past.faults)]);
  });
}
