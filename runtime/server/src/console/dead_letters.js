// What a function could not get past, and sending it through again.

import { get, of, post, query } from "./api.js";
import { confirmed } from "./confirm.js";
import { h, say, update } from "./dom.js";
import { count, local, time } from "./format.js";
import { brief, headers, idOf, newest, whole } from "./records.js";

/** Of each partition. */
const SHOWN = 100;
const EVERY_MS = 5_000;

/** What a header of Pelton's own says: the last of its name, since a record may bring its own. */
function reason(letter, name) {
  const found = (letter.headers ?? []).findLast(([header]) => header === `pelton-${name}`);
  return found === undefined ? "" : String(found[1]);
}

async function read(topic, signal) {
  const about = await get(of("topics", topic), signal);
  const total = about.partitions.reduce((sum, one) => sum + one.durable - one.start, 0);
  const path = query(of("topics", topic, "records"),
    { from: newest(about, SHOWN), max_records: SHOWN * about.partitions.length });
  const { records } = await get(path, signal);
  records.sort((a, b) => b.timestamp - a.timestamp || b.offset - a.offset);
  return { total, letters: records };
}

export async function deadLetters(view, { name, path, status, body }) {
  if (!status.dead_letters) {
    body.append(h("p", { class: "empty" }, "This function has no topic for dead letters: see [delivery] in its pelton.toml."));
    return;
  }
  const topic = local(status.dead_letters);
  const chosen = new Set();
  const list = h("div", null);
  body.append(list);
  let found = { total: 0, letters: [] };

  const redrive = async (what, request) => {
    const details = `${what} of ${topic} go to the input again, as they were.`;
    if (!(await confirmed("Redrive dead letters?", details, "Redrive"))) return;
    await view.attempt(async () => {
      const { redriven } = await post(`${path}/dead-letters/redrive`, request);
      chosen.clear();
      say(`${redriven} redriven.`);
      await refresh();
    });
  };
  const some = () => redrive(`${chosen.size} dead letters`, {
    records: found.letters.filter((one) => chosen.has(idOf(one)))
      .map(({ partition, offset }) => ({ partition, offset })),
  });
  const all = () => redrive(`All ${found.total} dead letters`, { all: true });

  function letter(one) {
    const id = idOf(one);
    const choose = (event) => {
      if (event.target.checked) chosen.add(id);
      else chosen.delete(id);
      draw();
    };
    const place = reason(one, "offset")
      ? `${local(reason(one, "topic"))} ${reason(one, "partition")}:${reason(one, "offset")}`
      : reason(one, "kind");
    const backtrace = reason(one, "backtrace");
    return h("li", { "data-key": id },
      h("input", { type: "checkbox", "aria-label": `Choose ${id}`, onchange: choose }),
      h("details", { class: "record letter", "data-key": id },
        h("summary", null,
          h("span", { class: "id" }, id), h("time", null, time(one.timestamp)),
          h("b", { class: "bad" }, reason(one, "code")), h("span", { class: "value" }, reason(one, "message"))),
        h("dl", null,
          h("dt", null, "was"), h("dd", null, place, `, version ${reason(one, "deployment")}`),
          h("dt", null, "message"), h("dd", null, h("pre", null, reason(one, "message"))),
          whole("key", one.key), whole("value", one.value),
          backtrace && [h("dt", null, "backtrace"), h("dd", null, h("pre", null, backtrace))],
          headers((one.headers ?? []).filter(([header]) => !header.startsWith("pelton-"))))),
      h("span", { class: "was" }, brief(one.key)));
  }

  function draw() {
    if (found.total === 0) {
      update(list, h("p", { class: "empty" }, `${name} has no dead letters.`));
      return;
    }
    const shown = found.letters.length < found.total ? `, the newest ${count(found.letters.length)} of them below` : "";
    update(list,
      h("div", { class: "bar" },
        h("p", null, `${count(found.total)} in `, h("a", { href: `#/topics/${encodeURIComponent(topic)}` }, topic), shown),
        h("button", { type: "button", disabled: chosen.size === 0, onclick: some },
          chosen.size > 0 ? `Redrive ${chosen.size} chosen` : "Redrive chosen"),
        h("button", { type: "button", onclick: all }, "Redrive all")),
      h("ul", { class: "letters" }, found.letters.map(letter)));
  }

  async function refresh() {
    try {
      found = await read(topic, view.signal);
    } catch (error) {
      // Made with the first dead letter.
      if (error.code !== "E-TOPIC-UNKNOWN") throw error;
      found = { total: 0, letters: [] };
    }
    draw();
  }
  await view.every(EVERY_MS, refresh);
}
