// One topic: its partitions, and its records, page by page or as they come.

import { get, of, query } from "./api.js";
import { h, say, table, title, update } from "./dom.js";
import { follow } from "./events.js";
import { bytes, count } from "./format.js";
import { newest, record } from "./records.js";
import { held, keeps, topicPath } from "./topics.js";

const PAGE = 50;
/** Records that the page holds while it follows. */
const HELD_MAX = 500;
const DRAW_MS = 150;

function about(topic) {
  const row = (one) => [one.partition, one.start, one.durable, bytes(one.bytes)];
  return [
    h("p", null, `${count(held(topic))} ${topic.cleanup === "delete" ? "records" : "offsets"}, `,
      `${bytes(topic.bytes)}; it keeps ${keeps(topic)}. `,
      h("a", { href: topicPath(topic.name, "table") }, "Latest by key")),
    topic.partitions.length > 1 && h("details", null,
      h("summary", null, `${topic.partitions.length} partitions`),
      table("Partitions", [">partition", ">from", ">to", ">size"], topic.partitions.map(row))),
  ];
}

export async function topicView(view, name) {
  const summary = h("div", null);
  view.root.append(title(name), summary);
  let topic = await get(of("topics", name), view.signal);
  update(summary, about(topic));
  const browser = new Browser(view, name, topic);
  view.root.append(h("h2", null, "Records"), browser.form, browser.state, browser.list, browser.more);
  await browser.read();
  view.every(3_000, async () => {
    topic = await get(of("topics", name), view.signal);
    browser.topic = topic;
    update(summary, about(topic));
  });
}

/** The records that are shown, and the form that says which. */
class Browser {
  constructor(view, name, topic) {
    Object.assign(this, { view, topic, records: [], cursor: null, following: null });
    this.path = of("topics", name, "records");
    const search = view.search;
    const choice = (value, text, chosen) => h("option", { value, selected: value === chosen }, text);
    this.from = h("select", { id: "from", onchange: () => this.chosen() },
      [["newest", `newest ${PAGE}`], ["earliest", "earliest"], ["offset", "offset"], ["time", "time"]]
        .map(([value, text]) => choice(value, text, search.get("from") ?? "newest")));
    this.offset = h("input", { id: "offset", type: "number", min: 0, step: 1, value: search.get("offset") ?? 0 });
    this.time = h("input", { id: "time", type: "datetime-local", step: 1, value: search.get("time") });
    this.partition = h("select", { id: "partition" }, choice("", "all", search.get("partition") ?? ""),
      topic.partitions.map((one) => choice(String(one.partition), one.partition, search.get("partition"))));
    this.live = h("input", { id: "live", type: "checkbox", onchange: () => this.follow(this.live.checked) });
    const field = (label, input) => h("span", { class: "field" }, h("label", { for: input.id }, label), input);
    [this.offsetField, this.timeField] = [field("Offset", this.offset), field("Time", this.time)];
    this.form = h("form", { class: "bar", onsubmit: (event) => (event.preventDefault(), this.read()) },
      field("From", this.from), this.offsetField, this.timeField, field("Partition", this.partition),
      h("button", { type: "submit", class: "primary" }, "Read"), field("Follow", this.live));
    this.state = h("p", { class: "quiet" });
    this.list = h("div", { class: "records" });
    this.next = h("button", { type: "button", onclick: () => this.onwards() }, `Next ${PAGE}`);
    this.more = h("p", null, this.next);
    this.chosen();
  }

  chosen() {
    this.offsetField.hidden = this.from.value !== "offset";
    this.timeField.hidden = this.from.value !== "time";
    if (this.from.value === "offset" && this.partition.value === "") this.partition.value = "0";
  }

  /** The start that the form names, as the API wants it. */
  start() {
    const { partitions } = this.topic;
    const wanted = this.partition.value;
    const chosen = partitions.filter((one) => wanted === "" || String(one.partition) === wanted);
    if (this.from.value === "earliest") return "earliest";
    if (this.from.value === "offset") return this.offset.value || "0";
    if (this.from.value === "time" && this.time.value) return `time:${new Date(this.time.value).getTime()}`;
    return newest({ partitions: chosen }, Math.ceil(PAGE / chosen.length));
  }

  /** Reads from where the form says. */
  async read() {
    this.follow(false);
    this.view.keep({
      from: this.from.value === "newest" ? null : this.from.value,
      offset: this.from.value === "offset" ? this.offset.value : null,
      time: this.from.value === "time" ? this.time.value : null,
      partition: this.partition.value,
    });
    await this.view.attempt(async () => {
      this.topic = await get(this.path.replace(/\/records$/, ""), this.view.signal);
      this.records = [];
      this.list.replaceChildren();
      this.cursor = this.start();
      await this.page();
    });
  }

  async onwards() {
    await this.view.attempt(() => this.page());
  }

  async page() {
    const path = query(this.path, { from: this.cursor, partition: this.partition.value, max_records: PAGE });
    const { records, cursor, skipped } = await get(path, this.view.signal);
    const isNewest = this.from.value === "newest";
    if (isNewest) records.sort((a, b) => b.timestamp - a.timestamp || b.offset - a.offset);
    this.records.push(...records);
    this.cursor = cursor;
    const gone = (skipped ?? []).length > 0 ? " Some were forgotten already." : "";
    const order = isNewest ? "newest first" : "in the order of their offsets";
    const none = this.records.length === 0 ? "No records." : `No more than these ${count(this.records.length)}.`;
    this.draw(`${records.length === 0 ? none : `${count(this.records.length)} records, ${order}.`}${gone}`);
    this.more.hidden = isNewest || records.length === 0;
  }

  draw(text) {
    if (this.state.textContent !== text) this.state.textContent = text;
    update(this.list, this.records.map((one) => record(one)));
  }

  /** Shows records as they come, newest first; or stops. */
  follow(isOn) {
    this.following?.abort();
    this.following = null;
    this.live.checked = isOn;
    if (!isOn) return;
    this.following = new AbortController();
    const signal = AbortSignal.any([this.view.signal, this.following.signal]);
    [this.records, this.more.hidden] = [[], true];
    let [came, timer] = [0, null];
    const draw = () => {
      timer = null;
      if (!signal.aborted) this.draw(came === 0 ? "Waiting for records …" : `${count(came)} records have come, newest first.`);
    };
    say("Following");
    draw();
    const path = query(this.path, { from: "latest", partition: this.partition.value });
    this.view.attempt(() => follow(path, {
      signal,
      onEvent: ({ event, data }) => {
        if (event !== "message") return;
        this.records.unshift(JSON.parse(data));
        this.records.length = Math.min(this.records.length, HELD_MAX);
        came += 1;
        timer ??= setTimeout(draw, DRAW_MS);
      },
      onTrouble: () => (this.state.textContent = "The connection broke off; trying again …"),
    }));
  }
}
