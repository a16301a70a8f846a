// All topics.

import { get, of } from "./api.js";
import { h, table, title, update } from "./dom.js";
import { bytes, count, span } from "./format.js";

const EVERY_MS = 3_000;

export const topicPath = (name, ...more) => ["#/topics", encodeURIComponent(name), ...more].join("/");

export const held = (topic) =>
  topic.partitions.reduce((sum, one) => sum + one.durable - one.start, 0);

/** What a topic keeps, in words. */
export function keeps(topic) {
  const parts = [];
  if (topic.cleanup !== "delete") parts.push("the latest of each key");
  if (topic.cleanup === "compact") return parts[0];
  if (topic.retention_ms !== null) parts.push(`for ${span(topic.retention_ms)}`);
  if (topic.retention_bytes !== null) parts.push(`${bytes(topic.retention_bytes)} a partition`);
  return parts.join(", ") || "everything";
}

function row(topic) {
  const cells = [
    h("a", { href: topicPath(topic.name) }, topic.name),
    topic.partitions.length,
    count(held(topic)),
    bytes(topic.bytes),
    keeps(topic),
    h("a", { href: topicPath(topic.name, "table"), "aria-label": `Latest by key of ${topic.name}` }, "latest by key"),
  ];
  cells.key = topic.name;
  return cells;
}

export async function topicsView(view) {
  const list = h("section", { "aria-label": "Topics" });
  view.root.append(title("Topics"), list);
  await view.every(EVERY_MS, async () => {
    const { topics } = await get(of("topics"), view.signal);
    const titles = ["topic", ">partitions", ">offsets", ">size", "keeps", ""];
    const empty = ["There is no topic yet: ", h("code", null, "pelton topic create NAME"), " makes one."];
    update(list, table("Topics", titles, topics.map(row), empty));
  });
}
