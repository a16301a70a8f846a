// Where the nodes of a graph go: in layers, so that arrows lead onwards.

/**
 * `nodes` are names, `edges` pairs of them. Answers the layers, each a list of names: a node is
 * behind all that lead to it, but for cycles, and near those in its layer.
 */
export function layers(nodes, edges) {
  const { next, before } = neighbours(nodes, edges);
  const depth = depths(nodes, next, before);
  const found = [];
  for (const node of nodes) (found[depth.get(node)] ??= []).push(node);
  for (let round = 0; round < 4; round += 1) {
    for (let at = 1; at < found.length; at += 1) order(found[at], found[at - 1], before);
    for (let at = found.length - 2; at >= 0; at -= 1) order(found[at], found[at + 1], next);
  }
  return found;
}

/**
 * The nodes one below the other, each behind the last of those that lead to it, with its `depth`: the
 * longest way to it.
 */
export function tree(nodes, edges) {
  const { next, before } = neighbours(nodes, edges);
  const depth = depths(nodes, next, before);
  const waits = new Map(nodes.map((node) => [node, before.get(node).length]));
  const found = [];
  const stack = nodes.filter((node) => waits.get(node) === 0).reverse();
  while (stack.length > 0) {
    const id = stack.pop();
    found.push({ id, depth: depth.get(id) });
    for (const to of [...next.get(id)].reverse()) {
      waits.set(to, waits.get(to) - 1);
      if (waits.get(to) === 0) stack.push(to);
    }
  }
  return found;
}

/** The nodes that each leads to, and those that lead to it. */
function neighbours(nodes, edges) {
  const next = new Map(nodes.map((node) => [node, []]));
  const before = new Map(nodes.map((node) => [node, []]));
  for (const [from, to] of onwards(nodes, edges)) {
    next.get(from).push(to);
    before.get(to).push(from);
  }
  return { next, before };
}

/** The edges without those that lead back. */
function onwards(nodes, edges) {
  const out = new Map(nodes.map((node) => [node, []]));
  for (const [from, to] of edges) if (from !== to) out.get(from).push(to);
  const state = new Map();
  const kept = [];
  for (const root of nodes) {
    if (state.has(root)) continue;
    state.set(root, "open");
    const stack = [[root, 0]];
    while (stack.length > 0) {
      const top = stack[stack.length - 1];
      const to = out.get(top[0])[top[1]];
      top[1] += 1;
      if (to === undefined) {
        state.set(top[0], "done");
        stack.pop();
        continue;
      }
      if (state.get(to) === "open") continue;
      kept.push([top[0], to]);
      if (!state.has(to)) {
        state.set(to, "open");
        stack.push([to, 0]);
      }
    }
  }
  return kept;
}

/** The longest way to each node. */
function depths(nodes, next, before) {
  const waits = new Map(nodes.map((node) => [node, before.get(node).length]));
  const depth = new Map(nodes.map((node) => [node, 0]));
  const ready = nodes.filter((node) => waits.get(node) === 0);
  for (let at = 0; at < ready.length; at += 1) {
    for (const to of next.get(ready[at])) {
      depth.set(to, Math.max(depth.get(to), depth.get(ready[at]) + 1));
      waits.set(to, waits.get(to) - 1);
      if (waits.get(to) === 0) ready.push(to);
    }
  }
  return depth;
}

/** Orders a layer by the mean place of the neighbours that each node has in the other. */
function order(layer, other, neighbours) {
  const place = new Map(other.map((node, at) => [node, at]));
  const mean = new Map(layer.map((node, at) => {
    const known = neighbours.get(node).filter((one) => place.has(one)).map((one) => place.get(one));
    return [node, known.length ? known.reduce((a, b) => a + b) / known.length : at];
  }));
  layer.sort((a, b) => mean.get(a) - mean.get(b));
}
