// One function: how it is, and what can be done with it.

import { get, of, post } from "./api.js";
import { aSecond, Chart } from "./chart.js";
import { confirmed } from "./confirm.js";
import { deadLetters } from "./dead_letters.js";
import { h, say, table, title, update } from "./dom.js";
import { bytes, count, local, micros, percent, rate, short, time } from "./format.js";
import { logs } from "./logs.js";
import { badge, functionPath } from "./overview.js";
import { stateView } from "./state.js";
import { tap } from "./tap.js";
import { versions } from "./versions.js";
import { whyView } from "./why.js";

const EVERY_MS = 2_000;
const TABS = [
  [undefined, "Overview", figures],
  ["tap", "Tap", tap],
  ["logs", "Logs", logs],
  ["dead-letters", "Dead letters", deadLetters],
  ["state", "State", stateView],
  ["why", "Why", whyView],
  ["versions", "Versions", versions],
];

export async function functionView(view, name, tab) {
  const found = TABS.find(([path]) => path === tab) ?? TABS[0];
  const head = h("div", { class: "head" }, title(name));
  const links = TABS.map(([path, text]) => {
    const href = functionPath(name, ...(path ? [path] : []));
    return h("a", { href, "aria-current": path === found[0] ? "page" : null }, text);
  });
  const body = h("div", null);
  view.root.append(head, h("nav", { class: "tabs", "aria-label": name }, links), body);
  const path = of("functions", name);
  const refresh = async () => {
    const status = await get(path, view.signal);
    update(head, title(name), badge(status.state), h("span", { class: "quiet" }, about(status)),
      actions(view, name, status, refresh),
      status.error && h("p", { class: "error" }, status.error));
    return status;
  };
  const status = await refresh();
  await found[2](view, { name, path, status, refresh, body });
}

/** Asks, does it, says so. */
export async function change(view, { question, details, action, path, body, done }, refresh) {
  if (!(await confirmed(question, details, action))) return;
  await view.attempt(async () => {
    say("");
    await post(path, body);
    say(done);
    await refresh();
  });
}

const about = (status) => status.pipeline
  ? `version ${status.version}, of pipeline ${local(status.pipeline)}` : `version ${status.version}`;

/** The way back: of the function, or, where it belongs to a pipeline, of all of that one's. */
function wayBack(name, status) {
  const pipeline = status.pipeline && local(status.pipeline);
  return pipeline ? {
    action: "Roll pipeline back", question: `Roll the pipeline ${pipeline} back?`,
    path: of("pipelines", pipeline, "rollback"), done: `The pipeline ${pipeline} was rolled back.`,
    details: "All its functions become what they were in the version before. Positions and state stay.",
  } : {
    action: "Roll back", question: `Roll ${name} back?`,
    path: of("functions", name, "rollback"), done: `${name} was rolled back.`,
    details: `The version before ${status.version} goes live. Positions and state stay.`,
  };
}

function actions(view, name, status, refresh) {
  const button = (action, request) =>
    h("button", { type: "button", "data-key": action, onclick: () => change(view, { action, ...request }, refresh) }, action);
  const { action, ...back } = wayBack(name, status);
  const stopped = status.state === "paused" || status.state === "stopped";
  return h("span", { class: "actions" },
    stopped
      ? button("Resume", { question: `Resume ${name}?`, path: of("functions", name, "resume"),
        details: "It goes on where it stopped.", done: `${name} runs.` })
      : button("Pause", { question: `Pause ${name}?`, path: of("functions", name, "pause"),
        details: "Its tasks stop behind their next commit. Positions and state stay.", done: `${name} is paused.` }),
    (status.version > 1 || status.pipeline) && button(action, back));
}

function figure(name, value, isBad) {
  return h("div", { class: isBad ? "bad" : null }, h("dt", null, name), h("dd", null, value));
}

function numbers(status) {
  const recent = status.recent;
  return h("dl", { class: "figures" },
    figure("in", recent ? rate(recent.records_in_rate) : "–"),
    figure("out", recent ? rate(recent.records_out_rate) : "–"),
    figure("lag", count(status.lag)),
    figure("call, median", micros(recent?.p50_us ?? status.p50_us)),
    figure("call, p99", micros(recent?.p99_us ?? status.p99_us)),
    figure("faults", count(status.faults), status.faults > 0),
    figure("dead letters", count(status.dead_letter_count), status.dead_letter_count > 0),
    figure("records in", count(status.records_in)),
    figure("records out", count(status.records_out)),
    figure("late", count(status.late)),
    figure("rejected", count(status.poison), status.poison > 0),
    figure("retries", count(status.retries)),
    figure("calls", count(status.calls)),
    figure("commits", count(status.commits)),
    figure("CPU time", micros(status.cpu_us)),
    status.unmigrated > 0 && figure("to migrate", count(status.unmigrated)));
}

const topicLink = (topic) =>
  h("a", { href: `#/topics/${encodeURIComponent(local(topic))}` }, local(topic));
const commas = (items) => items.flatMap((item, at) => (at > 0 ? [", ", item] : [item]));

function flow(status) {
  const outputs = Object.values(status.outputs);
  return h("p", null, "Reads ", commas(status.inputs.map(topicLink)),
    outputs.length > 0 && [", writes ", commas(outputs.map(topicLink))],
    status.dead_letters && [", dead letters go to ", topicLink(status.dead_letters)], ".");
}

function tasks(status) {
  const row = (task) => [
    task.partition,
    task.on_trial ? `v${task.version} on trial` : `v${task.version}`,
    count(task.lag),
    time(task.watermark_ms),
    task.inputs.map((input) => `${local(input.topic)} ${input.next}`).join(", "),
    task.stores.map((one) => `${one.name}: ${count(one.entries)} (${bytes(one.bytes)})`).join(", "),
  ];
  const titles = ["partition", "version", ">lag", "watermark", "reads next", "state"];
  return table("Tasks", titles, status.tasks.map(row), "It does not run.");
}

async function figures(view, { path, refresh, body }) {
  const top = h("div", null);
  const bottom = h("div", null);
  const records = new Chart("Records", ["in", "out"], rate);
  const duration = new Chart("Call with its commit", ["median", "p99"], micros);
  const lag = new Chart("Lag", ["records"], short);
  const faults = new Chart("Faults and rejected", ["faults", "rejected"], rate);
  const cpu = new Chart("CPU time, share of a core", ["share"], percent);
  const calls = new Chart("Calls", ["calls"], rate);
  const charts = [records, duration, lag, faults, calls, cpu];
  body.append(top, h("h2", null, "The last 15 minutes"),
    h("div", { class: "charts" }, charts.map((chart) => chart.element)),
    h("h2", null, "Tasks"), bottom);
  await view.every(EVERY_MS, async () => {
    const [status, past] = await Promise.all([refresh(), get(`${path}/history`, view.signal)]);
    const fault = status.last_fault && h("p", { class: "error" }, `Last fault: ${status.last_fault}`);
    update(top, flow(status), numbers(status), fault);
    update(bottom, tasks(status));
    const per = (counts) => aSecond(counts, past.step_ms);
    records.set(past.times_ms, [per(past.records_in), per(past.records_out)]);
    duration.set(past.times_ms, [past.p50_us, past.p99_us]);
    lag.set(past.times_ms, [past.lag]);
    faults.set(past.times_ms, [per(past.faults), per(past.poison)]);
    calls.set(past.times_ms, [per(past.calls)]);
    cpu.set(past.times_ms, [past.cpu_us.map((us) => us / (past.step_ms * 1_000))]);
  });
}
