// Charts over time: lines in SVG, with a readout that follows the pointer or the arrow keys.

import { h, svg } from "./dom.js";
import { clock } from "./format.js";

const WIDTH = 600;
const HEIGHT = 120;

/** The end of an axis: the next 1, 2 or 5 times a power of ten. */
export function niceTop(highest) {
  if (!(highest > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(highest));
  return [1, 2, 5, 10].map((step) => step * power).find((top) => top >= highest * 0.999_999);
}

/** A chart of some lines over the same times. `format` writes a value. */
export class Chart {
  constructor(heading, names, format) {
    Object.assign(this, { names, format, at: null, times: [], lists: names.map(() => []) });
    this.values = names.map(() => h("output", null));
    this.when = h("span", { class: "when" });
    this.lines = names.map((_, index) => svg("path", { class: `line line-${index}` }));
    this.areas = names.map((_, index) => svg("path", { class: `area area-${index}` }));
    this.dots = names.map((_, index) => svg("path", { class: `line dots line-${index}` }));
    this.cursor = svg("line", { class: "cursor", y1: 0, y2: HEIGHT, visibility: "hidden" });
    this.top = h("span", { class: "top" });
    this.from = h("span", null);
    this.to = h("span", null);
    this.picture = svg("svg",
      { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true" },
      svg("line", { class: "grid", x1: 0, x2: WIDTH, y1: HEIGHT / 2, y2: HEIGHT / 2 }),
      this.areas, this.lines, this.dots, this.cursor);
    const plot = h("div", { class: "plot" }, this.top, this.picture);
    plot.addEventListener("pointermove", (event) => this.point(event));
    plot.addEventListener("pointerleave", () => this.read(null));
    const legend = names.map((name, index) =>
      h("span", { class: `legend legend-${index}` }, names.length > 1 ? name : "", this.values[index]));
    this.element = h("figure", { class: "chart", tabindex: "0", role: "group", "aria-label": heading },
      h("figcaption", null, h("b", null, heading), legend, this.when),
      plot,
      h("div", { class: "times" }, this.from, this.to));
    this.element.onkeydown = (event) => this.key(event);
    this.element.onblur = () => this.read(null);
  }

  /** Shows these values: a list for each line, as long as `times` (ms); null for none. */
  set(times, lists) {
    [this.times, this.lists] = [times, lists];
    const highest = Math.max(0, ...lists.flat().filter(Number.isFinite));
    const top = niceTop(highest);
    this.top.textContent = highest > 0 ? this.format(top) : "";
    const x = (index) => (times.length > 1 ? (index / (times.length - 1)) * WIDTH : WIDTH);
    const y = (value) => HEIGHT - (value / top) * (HEIGHT - 2) - 1;
    lists.forEach((list, line) => {
      const runs = runsOf(list);
      const path = (run) => run.map(([at, value], n) => `${n ? "L" : "M"}${x(at).toFixed(1)} ${y(value).toFixed(1)}`);
      this.lines[line].setAttribute("d", runs.map((run) => path(run).join("")).join(""));
      // A sample without neighbours would be no line.
      const alone = runs.filter((run) => run.length === 1);
      this.dots[line].setAttribute("d", alone.map((run) => `${path(run).join("")}h.01`).join(""));
      const area = (run) => `${path(run).join("")}V${HEIGHT}H${x(run[0][0]).toFixed(1)}Z`;
      this.areas[line].setAttribute("d", runs.map(area).join(""));
    });
    this.from.textContent = times.length ? clock(times[0]) : "";
    this.to.textContent = times.length ? clock(times[times.length - 1]) : "no samples yet";
    this.read(this.at);
  }

  /** Reads the values at a sample; those of the newest for `null`. */
  read(at) {
    const last = this.times.length - 1;
    this.at = at === null ? null : Math.min(Math.max(at, 0), last);
    const shown = this.at ?? last;
    this.values.forEach((output, line) => {
      const value = this.lists[line][shown];
      output.textContent = value === null || value === undefined ? "–" : this.format(value);
    });
    this.when.textContent = this.at === null || last < 0 ? "" : clock(this.times[shown]);
    this.cursor.setAttribute("visibility", this.at === null ? "hidden" : "visible");
    const x = last > 0 ? (shown / last) * WIDTH : WIDTH;
    for (const end of ["x1", "x2"]) this.cursor.setAttribute(end, x);
  }

  point(event) {
    const box = this.picture.getBoundingClientRect();
    const share = (event.clientX - box.left) / box.width;
    this.read(Math.round(share * (this.times.length - 1)));
  }

  key(event) {
    const last = this.times.length - 1;
    const moves = { ArrowLeft: -1, ArrowRight: 1, PageUp: -12, PageDown: 12, Home: -last, End: last };
    if (event.key === "Escape") return this.read(null);
    if (!(event.key in moves)) return undefined;
    event.preventDefault();
    return this.read((this.at ?? last) + moves[event.key]);
  }
}

/** The parts of a list without holes, as `[index, value]` each. */
function runsOf(list) {
  const runs = [];
  let run = null;
  list.forEach((value, at) => {
    if (value === null || value === undefined) run = null;
    else if (run) run.push([at, value]);
    else runs.push((run = [[at, value]]));
  });
  return runs;
}

/** Counts of each sample as amounts a second. */
export const aSecond = (counts, stepMs) => counts.map((number) => (number * 1_000) / stepMs);
