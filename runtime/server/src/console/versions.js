// The versions of a function, and what has happened to it.

import { get } from "./api.js";
import { h, table, update } from "./dom.js";
import { bytes, time } from "./format.js";
import { change } from "./function.js";

const EVERY_MS = 5_000;

export async function versions(view, { name, path, refresh, body }) {
  const list = h("div", null);
  body.append(list);

  function rollBack(version) {
    const request = {
      question: `Go back to version ${version.number}?`,
      details: "Its code goes live between two calls. Positions and state stay.",
      action: "Roll back", path: `${path}/rollback`, body: { to: version.number },
      done: `${name} version ${version.number} is active.`,
    };
    return change(view, request, async () => {
      await refresh();
      await look();
    });
  }

  function row(version, kept) {
    const isActive = version.number === kept.active;
    const cells = [
      `v${version.number}`,
      isActive ? h("span", { class: "badge running" }, "active") : version.number === kept.before ? "before" : "",
      time(version.created_ms),
      bytes(version.size),
      h("code", { title: version.digest }, version.digest.slice(0, 12)),
      h("details", null, h("summary", null, "pelton.toml"), h("pre", null, version.manifest)),
      isActive ? "" : h("button", { type: "button", onclick: () => rollBack(version) }, "Roll back to it"),
    ];
    cells.key = version.number;
    return cells;
  }

  async function look() {
    const kept = await get(`${path}/versions`, view.signal);
    const titles = ["version", "", "deployed", ">size", "digest", "manifest", ""];
    const newest = [...kept.versions].reverse();
    const event = (one) => [time(one.time_ms), one.kind.replaceAll("-", " "), `v${one.version}`, one.message ?? ""];
    update(list,
      table("Versions", titles, newest.map((version) => row(version, kept)), "None."),
      h("h2", null, "What has happened"),
      table("Events", ["time", "event", "version", ""], [...kept.events].reverse().map(event), "Nothing yet."));
  }
  await view.every(EVERY_MS, look);
}
