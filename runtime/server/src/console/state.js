// What a function keeps: its stores, key by key.

import { get, query } from "./api.js";
import { h, table, update } from "./dom.js";
import { count, time } from "./format.js";
import { bytesOf, decode } from "./msgpack.js";

const SHOWN = 200;
/** What lies beside the stores that a function declares. */
const OTHERS = ["timers", "panes"];

/** Bytes as what they are: MessagePack (as SDKs write it), text, or base64. */
function shown(value) {
  const packed = decode(bytesOf(value));
  if (packed) return h("span", { class: "data json" }, JSON.stringify(packed.value));
  if (value.text !== undefined) return h("span", { class: "data text" }, value.text);
  return h("span", { class: "data base64" }, value.base64);
}

function keyOf(key) {
  return h("span", { class: `data ${key.text === undefined ? "base64" : "text"}` }, key.text ?? key.base64);
}

function stores(status) {
  const entries = new Map();
  for (const task of status.tasks) {
    for (const store of task.stores) {
      if (!OTHERS.includes(store.name)) {
        entries.set(store.name, (entries.get(store.name) ?? 0) + store.entries);
      }
    }
  }
  return entries;
}

export async function stateView(view, { path, status, body }) {
  const all = stores(status);
  if (all.size === 0) {
    const why = status.tasks.length > 0 ? "It declares no stores." : "It does not run: its state cannot be looked at.";
    body.append(h("p", { class: "empty" }, why));
    return;
  }
  const wanted = view.search.get("store");
  const store = h("select", { id: "store", onchange: () => look() },
    [...all].map(([name, entries]) =>
      h("option", { value: name, selected: name === wanted }, `${name} (${count(entries)})`)));
  const prefix = h("input", { id: "prefix", type: "search", value: view.search.get("prefix"), oninput: () => look() });
  const list = h("div", null);
  body.append(
    h("form", { class: "bar", onsubmit: (event) => (event.preventDefault(), look()) },
      h("label", { for: "store" }, "Store"), store,
      h("label", { for: "prefix" }, "Keys that start with"), prefix,
      h("button", { type: "submit" }, "Read again")),
    list);

  let asked = 0;
  async function look() {
    const turn = (asked += 1);
    view.keep({ store: store.value, prefix: prefix.value });
    await view.attempt(async () => {
      const from = `${path}/state/${encodeURIComponent(store.value)}`;
      const { entries } = await get(query(from, { prefix: prefix.value, limit: SHOWN }), view.signal);
      if (turn !== asked) return;
      const row = (one) => [keyOf(one.key), shown(one.value), one.partition, one.schema,
        one.expires_ms === null ? "never" : time(one.expires_ms)];
      const titles = ["key", "value", ">partition", ">schema", "expires"];
      const more = entries.length === SHOWN && h("p", { class: "quiet" }, `The first ${SHOWN}; a longer prefix shows others.`);
      update(list, table("Entries", titles, entries.map(row), "No such keys."), more);
    });
  }
  await look();
}
