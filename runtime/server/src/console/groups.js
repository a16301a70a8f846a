// Consumer groups: where they stand.

import { get, of } from "./api.js";
import { h, table, title, update } from "./dom.js";
import { count, time } from "./format.js";
import { topicPath } from "./topics.js";

const EVERY_MS = 3_000;
/** Groups that are looked at one by one. */
const SHOWN_MAX = 50;

function rows(group) {
  return group.topics.map((topic) => {
    const cells = [
      group.name,
      h("a", { href: topicPath(topic.topic) }, topic.topic),
      count(topic.lag),
      topic.positions.map((one) => `${one.partition}:${one.offset}`).join(", "),
      time(topic.committed_ms),
    ];
    cells.key = `${group.name} ${topic.topic}`;
    return cells;
  });
}

export async function groupsView(view) {
  const list = h("section", { "aria-label": "Groups" });
  view.root.append(title("Consumer groups"), list);
  await view.every(EVERY_MS, async () => {
    const { groups } = await get(of("groups"), view.signal);
    const looked = groups.slice(0, SHOWN_MAX).map((one) => get(of("groups", one.name), view.signal));
    const all = await Promise.all(looked);
    const titles = ["group", "topic", ">lag", "reads next", "committed"];
    const empty = ["No group has committed a position: ",
      h("code", null, "pelton consume TOPIC --group NAME"), " makes one."];
    const more = groups.length > SHOWN_MAX && h("p", { class: "quiet" }, `The first ${SHOWN_MAX} of ${groups.length}.`);
    update(list, table("Groups", titles, all.flatMap(rows), empty), more);
  });
}
