// Records as a list: one line each, that opens to the whole record.

import { h } from "./dom.js";
import { data, time } from "./format.js";

/** Characters of a value that its line shows. */
const LINE_MAX = 400;

/** A key or value in its line. */
export function brief(value) {
  const { kind, text } = data(value);
  const line = text.length > LINE_MAX ? `${text.slice(0, LINE_MAX)}…` : text;
  return h("span", { class: `data ${kind}` }, line);
}

/** A key or value whole: JSON with its lines, text, or base64. */
export function whole(name, value) {
  const { kind, text, pretty } = data(value);
  return [h("dt", null, name, kind === "null" ? "" : h("span", { class: "quiet" }, ` ${kind}`)),
    h("dd", null, h("pre", { class: `data ${kind}` }, pretty ?? text))];
}

export const idOf = (record) => `${record.partition}:${record.offset}`;

/** A record's line, and all of it. */
export function record(one, before) {
  return h("details", { class: "record", "data-key": idOf(one) },
    h("summary", null, before,
      h("span", { class: "id" }, idOf(one)), h("time", null, time(one.timestamp)),
      h("span", { class: "key" }, brief(one.key)), h("span", { class: "value" }, brief(one.value))),
    h("dl", null, whole("key", one.key), whole("value", one.value), headers(one.headers)));
}

export function headers(list) {
  if (!list?.length) return null;
  return [h("dt", null, "headers"),
    h("dd", null, h("ul", null, list.map(([name, value]) =>
      h("li", null, h("b", null, name), " ", h("span", { class: "data" }, data(value).text)))))];
}

/** The cursor at the newest `number` records of each partition of a topic. */
export function newest(topic, number) {
  return topic.partitions
    .map((one) => `${one.partition}:${Math.max(one.start, one.durable - number)}`)
    .join(",");
}
