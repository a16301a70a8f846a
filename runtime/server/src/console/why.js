// Why windows have fired or not, what holds time back, and what became of a record.

import { get, query } from "./api.js";
import { h, table, update } from "./dom.js";
import { count, local, time } from "./format.js";

const FATES = { waits: "waits", "given-up": "given up", late: "late", read: "read", "read-before": "read" };

function at(ms, nothing) {
  return ms === null ? nothing : time(ms);
}

function recordOf(record) {
  const key = record.key === null ? "no key" : `key ${JSON.stringify(record.key)}`;
  return h("section", { id: "fate" },
    h("h3", null, `${record.place}: ${FATES[record.fate]}`),
    h("p", { class: "quiet" }, `${key}, of ${at(record.event_time_ms, "no time that it tells")}`),
    h("p", null, `${record.why[0].toUpperCase()}${record.why.slice(1)}.`));
}

function windowsOf(windows) {
  const row = (one) => [at(one.start_ms, "-"), at(one.end_ms, "-"), count(one.records), one.fired, one.why];
  return table("Windows of the key", ["from", "to", ">records", ">fired", "why"], windows.map(row),
    "No window of the key is kept.");
}

function taskOf(task, asked) {
  const watermark = at(task.watermark_ms, "none yet");
  const row = (input) => [`${local(input.topic)}:${input.partition}`, at(input.watermark_ms, "none yet"),
    at(input.highest_ms, "no record yet"), count(input.end - input.next),
    input.holds ? "holds time back" : input.idle ? "idle" : ""];
  const titles = ["input", "watermark", "newest record", ">waiting", ""];
  return h("section", null,
    h("h3", null, `Partition ${task.partition}: watermark ${watermark}`),
    h("p", null, `Held by ${task.held}.`),
    table(`Inputs of partition ${task.partition}`, titles, task.inputs.map(row)),
    asked && windowsOf(task.windows));
}

export async function whyView(view, { path, body }) {
  const key = h("input", { id: "key", type: "search", value: view.search.get("key") });
  const record = h("input", { id: "record", type: "search", placeholder: "flights:0:41", value: view.search.get("record") });
  const answer = h("div", { "aria-live": "polite" });
  body.append(
    h("form", { class: "bar", onsubmit: (event) => (event.preventDefault(), ask()) },
      h("label", { for: "key" }, "Windows of the key"), key,
      h("label", { for: "record" }, "or a record"), record,
      h("button", { type: "submit" }, "Ask")),
    answer);

  let turns = 0;
  async function ask() {
    const turn = (turns += 1);
    const asked = { key: record.value ? "" : key.value, record: record.value };
    view.keep({ key: key.value, record: record.value });
    await view.attempt(async () => {
      const given = Object.fromEntries(Object.entries(asked).filter(([, value]) => value));
      const told = await get(query(`${path}/explain`, given), view.signal);
      if (turn !== turns) return;
      const windows = told.windows === null ? "It has no windows." : `Windows: ${told.windows}.`;
      const wants = told.windows !== null && Object.keys(given).length > 0;
      update(answer, told.record && recordOf(told.record), h("p", { class: "quiet" }, windows),
        told.tasks.map((task) => taskOf(task, wants)));
    });
  }
  await ask();
}
