// The picture of the pipeline: topics and functions, and what flows between them.

import { h, svg } from "./dom.js";
import { local, rate, short } from "./format.js";
import { layers } from "./layout.js";

/** More than this is a list's work. */
const NODES_MAX = 120;
const TEXT_MAX = 20;
const WIDE = { width: 168, height: 46, ahead: 62, beside: 16 };
const NARROW = { width: 150, height: 46, ahead: 34, beside: 14 };

const cut = (text) => (text.length > TEXT_MAX ? `${text.slice(0, TEXT_MAX - 1)}…` : text);

/** The functions, the topics that they name, and the arrows between them. */
function graphOf({ functions, topics }) {
  const known = new Map(topics.map((topic) => [topic.topic, topic]));
  const nodes = new Map();
  const edges = [];
  const topic = (name) => {
    const id = `topic ${name}`;
    if (!nodes.has(id)) nodes.set(id, { id, topic: known.get(name) ?? { topic: name, records: 0 } });
    return id;
  };
  for (const one of functions) {
    const id = `function ${one.function}`;
    for (const input of one.inputs) edges.push({ from: topic(input), to: id });
    nodes.set(id, { id, function: one });
    for (const output of Object.values(one.outputs)) edges.push({ from: id, to: topic(output) });
    if (one.dead_letters && known.get(one.dead_letters)?.records > 0) {
      edges.push({ from: id, to: topic(one.dead_letters), dead: true });
    }
  }
  return { nodes, edges };
}

/** The picture; where there is too much for one, a sentence instead. */
export function graph(pipeline) {
  const { nodes, edges } = graphOf(pipeline);
  if (nodes.size > NODES_MAX) {
    return h("p", { class: "empty" }, `${nodes.size} topics and functions are too many for a picture.`);
  }
  const narrow = window.matchMedia("(max-width: 640px)").matches;
  const found = layers([...nodes.keys()], edges.map(({ from, to }) => [from, to]));
  const size = narrow ? NARROW : WIDE;
  const [step, gap] = narrow
    ? [size.height + size.ahead, size.width + size.beside]
    : [size.width + size.ahead, size.height + size.beside];
  const longest = Math.max(...found.map((layer) => layer.length));
  const at = new Map();
  found.forEach((layer, depth) => layer.forEach((id, index) => {
    const ahead = depth * step + 2;
    const beside = (index + (longest - layer.length) / 2) * gap + 2;
    at.set(id, narrow ? { x: beside, y: ahead } : { x: ahead, y: beside });
  }));
  const [long, across] = [found.length * step - size.ahead + 4, longest * gap - size.beside + 4];
  const [width, height] = narrow ? [across, long] : [long, across];
  return h("div", { class: "graph", tabindex: "0", role: "group", "aria-label": "Pipeline" },
    svg("svg", { viewBox: `0 0 ${width} ${height}`, width, height },
      svg("defs", null, arrow("arrow"), arrow("arrow-dead")),
      edges.map((edge) => line(edge, at, size, narrow)),
      [...nodes.values()].map((node) => shape(node, at.get(node.id), size))));
}

function arrow(id) {
  return svg("marker",
    { id, viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 7, markerHeight: 7, orient: "auto" },
    svg("path", { d: "M0 0L8 4L0 8Z" }));
}

function line({ from, to, dead }, at, { width, height }, narrow) {
  const [a, b] = [at.get(from), at.get(to)];
  const start = narrow ? [a.x + width / 2, a.y + height] : [a.x + width, a.y + height / 2];
  const end = narrow ? [b.x + width / 2, b.y - 2] : [b.x - 2, b.y + height / 2];
  const half = narrow ? (end[1] - start[1]) / 2 : (end[0] - start[0]) / 2;
  const bend = Math.max(Math.abs(half), 24);
  const [c1, c2] = narrow
    ? [[start[0], start[1] + bend], [end[0], end[1] - bend]]
    : [[start[0] + bend, start[1]], [end[0] - bend, end[1]]];
  return svg("path", {
    class: dead ? "edge dead" : "edge",
    d: `M${start}C${c1} ${c2} ${end}`,
    "marker-end": `url(#${dead ? "arrow-dead" : "arrow"})`,
  });
}

function shape(node, { x, y }, { width, height }) {
  const one = node.function;
  const name = local(one ? one.function : node.topic.topic);
  const href = one ? `#/functions/${encodeURIComponent(name)}` : `#/topics/${encodeURIComponent(name)}`;
  const figures = one
    ? [one.state === "running" ? rate(one.recent?.records_in_rate ?? 0) : one.state,
      one.lag > 0 && `lag ${short(one.lag)}`].filter(Boolean).join(" · ")
    : node.topic.exists === false ? "not there yet" : `${short(node.topic.records)} records`;
  const about = `${one ? "function" : "topic"} ${name}, ${figures}`;
  return svg("a", { href, class: `node ${one ? `function ${one.state}` : "topic"}`,
    transform: `translate(${x} ${y})`, "data-key": node.id, "aria-label": about },
    svg("title", null, about),
    svg("rect", { width, height, rx: one ? 5 : height / 2 }),
    one && svg("circle", { cx: 15, cy: 17, r: 4 }),
    svg("text", { x: one ? 27 : width / 2, y: 21, class: "name" }, cut(name)),
    svg("text", { x: one ? 27 : width / 2, y: 37, class: "figures" }, figures));
}
