// The graph: topics and functions, and what flows between them.

import { h, svg } from "./dom.js";
import { local, rate, short } from "./format.js";
import { layers, tree } from "./layout.js";

/** More than this is a list's work. */
const NODES_MAX = 120;
const TEXT_MAX = 20;
const WIDTH = 168;
const HEIGHT = 46;

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
export function graph(all) {
  const { nodes, edges } = graphOf(all);
  if (nodes.size > NODES_MAX) {
    return h("p", { class: "empty" }, `${nodes.size} topics and functions are too many for a picture.`);
  }
  const pairs = edges.map(({ from, to }) => [from, to]);
  const { at, width, height, line } = window.matchMedia("(max-width: 640px)").matches
    ? upright([...nodes.keys()], pairs) : lying([...nodes.keys()], pairs);
  return h("div", { class: "graph", tabindex: "0", role: "group", "aria-label": "Graph" },
    svg("svg", { viewBox: `0 0 ${width} ${height}`, width, height },
      svg("defs", null, arrow("arrow"), arrow("arrow-dead")),
      edges.map(({ from, to, dead }) => svg("path", {
        class: dead ? "edge dead" : "edge",
        d: line(at.get(from), at.get(to)),
        "marker-end": `url(#${dead ? "arrow-dead" : "arrow"})`,
      })),
      [...nodes.values()].map((node) => shape(node, at.get(node.id)))));
}

/** Layer behind layer, from left to right. */
function lying(nodes, edges) {
  const found = layers(nodes, edges);
  const [step, gap] = [WIDTH + 62, HEIGHT + 16];
  const longest = Math.max(...found.map((layer) => layer.length));
  const at = new Map();
  found.forEach((layer, depth) => layer.forEach((id, index) =>
    at.set(id, { x: depth * step + 2, y: (index + (longest - layer.length) / 2) * gap + 2 })));
  const line = (a, b) => {
    const [start, end] = [[a.x + WIDTH, a.y + HEIGHT / 2], [b.x - 2, b.y + HEIGHT / 2]];
    const bend = Math.max(Math.abs(end[0] - start[0]) / 2, 24);
    return `M${start}C${start[0] + bend} ${start[1]} ${end[0] - bend} ${end[1]} ${end}`;
  };
  return { at, line, width: found.length * step - 58, height: longest * gap - 12 };
}

/** A node a line, indented as far as it is from the start. */
function upright(nodes, edges) {
  const at = new Map(tree(nodes, edges).map(({ id, depth }, row) =>
    [id, { x: depth * 24 + 2, y: row * (HEIGHT + 10) + 2 }]));
  const line = (a, b) => (b.x > a.x
    ? `M${a.x + 11} ${a.y + HEIGHT}V${b.y + HEIGHT / 2}H${b.x - 2}`
    : `M${a.x} ${a.y + HEIGHT / 2}H${b.x - 12}V${b.y + HEIGHT / 2}H${b.x - 2}`);
  const width = Math.max(...[...at.values()].map(({ x }) => x)) + WIDTH + 4;
  return { at, line, width, height: nodes.length * (HEIGHT + 10) - 6 };
}

function arrow(id) {
  return svg("marker",
    { id, viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 7, markerHeight: 7, orient: "auto" },
    svg("path", { d: "M0 0L8 4L0 8Z" }));
}

function shape(node, { x, y }) {
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
    svg("rect", { width: WIDTH, height: HEIGHT, rx: one ? 5 : HEIGHT / 2 }),
    one && svg("circle", { cx: 15, cy: 17, r: 4 }),
    svg("text", { x: one ? 27 : WIDTH / 2, y: 21, class: "name" }, cut(name)),
    svg("text", { x: one ? 27 : WIDTH / 2, y: 37, class: "figures" }, figures));
}
