// A topic as a dashboard: the latest record of each key, live, and one of its numbers as bars.

import { get, of, query } from "./api.js";
import { h, title, update } from "./dom.js";
import { follow } from "./events.js";
import { count, data, isTime, number, time } from "./format.js";
import { newest } from "./records.js";
import { topicPath } from "./topics.js";

/** Records of each partition that are read before it follows. */
const READ_BACK = 5_000;
const KEYS_MAX = 10_000;
const ROWS_MAX = 200;
const BARS_MAX = 20;
const COLUMNS_MAX = 12;
const DRAW_MS = 250;

const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);

/** A record's fields by name: those of a JSON object, else `value`. */
function fieldsOf(value) {
  return isObject(value) && data(value).kind === "json" ? value : { value };
}

function textOf(value, name) {
  if (value === undefined) return "";
  if (isTime(name, value)) return time(value);
  if (typeof value === "number") return number(value);
  return data(value).text;
}

function compare(a, b) {
  if (typeof a === "number" && typeof b === "number") return a - b;
  return textOf(a).localeCompare(textOf(b), "en", { numeric: true });
}

export async function dashboard(view, name) {
  const board = new Board(view);
  view.root.append(title(name),
    h("p", null, "The latest record of each key. ", h("a", { href: topicPath(name) }, "All records")),
    board.form, board.state, board.bars, board.table);
  const topic = await get(of("topics", name), view.signal);
  const from = newest(topic, READ_BACK);
  board.draw();
  view.attempt(() => follow(query(of("topics", name, "records"), { from }), {
    signal: view.signal,
    onEvent: ({ event, data: text }) => event === "message" && board.take(JSON.parse(text)),
    onTrouble: () => (board.state.textContent = "The connection broke off; trying again …"),
  }));
}

/** The keys, what was last said of each, and how they are shown. */
class Board {
  constructor(view) {
    Object.assign(this, { view, rows: new Map(), columns: [], numbers: new Set(), times: new Set(), left: 0, timer: null });
    this.field = h("select", { id: "field", onchange: () => this.choose({ field: this.field.value }) });
    this.words = h("input", { id: "words", type: "search", value: view.search.get("words"),
      oninput: () => this.choose({ words: this.words.value }) });
    this.form = h("form", { class: "bar", onsubmit: (event) => event.preventDefault() },
      h("span", { class: "field" }, h("label", { for: "field" }, "Chart of"), this.field),
      h("span", { class: "field" }, h("label", { for: "words" }, "Keys with"), this.words));
    this.state = h("p", { class: "quiet" }, "Waiting for records …");
    this.bars = h("div", { class: "bars" });
    this.table = h("div", null);
  }

  choose(parameters) {
    this.view.keep(parameters);
    this.draw();
  }

  take(record) {
    const key = data(record.key).text;
    if (record.value === null) {
      this.rows.delete(key);
    } else if (this.rows.has(key) || this.rows.size < KEYS_MAX) {
      const fields = fieldsOf(record.value);
      for (const [name, value] of Object.entries(fields)) {
        if (!this.columns.includes(name) && this.columns.length < COLUMNS_MAX) this.columns.push(name);
        if (typeof value !== "number" || !this.columns.includes(name)) continue;
        // A bar as long as a date says nothing.
        (isTime(name, value) ? this.times : this.numbers).add(name);
      }
      this.rows.set(key, { key, fields, time: record.timestamp });
    } else {
      this.left += 1;
    }
    this.timer ??= setTimeout(() => ((this.timer = null), this.draw()), DRAW_MS);
  }

  /** The rows that the words leave, in the order that the address names. */
  shown() {
    const words = this.words.value.toLowerCase();
    const sort = this.view.search.get("sort") ?? "key";
    const [by, sign] = sort.startsWith("-") ? [sort.slice(1), -1] : [sort, 1];
    const value = (row) => (by === "key" ? row.key : row.fields[by]);
    const rows = [...this.rows.values()].filter((row) => row.key.toLowerCase().includes(words));
    return rows.sort((a, b) => sign * compare(value(a), value(b)) || compare(a.key, b.key));
  }

  draw() {
    const rows = this.shown();
    const wanted = this.view.search.get("field");
    const field = this.numbers.has(wanted) ? wanted : [...this.numbers][0];
    const option = (name) => h("option", { value: name, selected: name === field }, name);
    update(this.field, [...this.numbers].map(option));
    if (field && this.field.value !== field) this.field.value = field;
    const beyond = [
      rows.length > ROWS_MAX && `the first ${ROWS_MAX} are shown`,
      this.left > 0 && `${count(this.left)} records of keys beyond ${count(KEYS_MAX)} are left out`,
    ].filter(Boolean);
    this.state.textContent = this.rows.size === 0
      ? "Waiting for records …" : [`${count(rows.length)} keys, live`, ...beyond].join("; ") + ".";
    update(this.bars, field && this.chart(rows, field));
    update(this.table, this.rows.size > 0 && this.grid(rows.slice(0, ROWS_MAX)));
  }

  chart(rows, field) {
    const numbers = rows.filter((row) => typeof row.fields[field] === "number").slice(0, BARS_MAX);
    const highest = Math.max(...numbers.map((row) => Math.abs(row.fields[field])), 0);
    const bar = (row) => {
      const value = row.fields[field];
      return h("li", { "data-key": row.key },
        h("span", { class: "key data" }, row.key),
        h("meter", { min: 0, max: highest || 1, value: Math.abs(value), class: value < 0 ? "below" : null,
          "aria-label": `${field} of ${row.key}` }),
        h("span", { class: "number" }, textOf(value)));
    };
    return h("figure", null,
      h("figcaption", null, h("b", null, field), rows.length > BARS_MAX ? `the first ${BARS_MAX} of the table` : ""),
      h("ul", null, numbers.map(bar)));
  }

  grid(rows) {
    const sort = this.view.search.get("sort") ?? "key";
    const column = (name, isNumber) => {
      const order = sort === name ? "ascending" : sort === `-${name}` ? "descending" : null;
      // Numbers begin with the highest, names with the first.
      const isDown = order === null ? isNumber : order === "ascending";
      const next = isDown ? `-${name}` : name;
      return h("th", { scope: "col", class: isNumber ? "number" : null, "aria-sort": order },
        h("button", { type: "button", class: "sort", onclick: () => this.choose({ sort: next }) }, name));
    };
    const isNumber = (name) => this.numbers.has(name) || this.times.has(name);
    const cell = (row, name) =>
      h("td", { class: isNumber(name) ? "number" : "data", "data-title": name }, textOf(row.fields[name], name));
    return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Latest by key" },
      h("table", null,
        h("thead", null, h("tr", null, column("key", false),
          this.columns.map((name) => column(name, isNumber(name))), h("th", { scope: "col" }, "time"))),
        h("tbody", null, rows.map((row) =>
          h("tr", { "data-key": row.key }, h("th", { scope: "row", class: "data" }, row.key),
            this.columns.map((name) => cell(row, name)), h("td", { class: "when" }, time(row.time)))))));
  }
}
