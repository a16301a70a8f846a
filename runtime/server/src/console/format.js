// Numbers, times and bytes for people.

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const fine = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });
const compact = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

/** 1234567 as "1,234,567". */
export const count = (number) => whole.format(number);

/** 1234567 as "1.2M". */
export const short = (number) => (number < 10_000 ? fine.format(number) : compact.format(number));

/** Records a second. */
export const rate = (number) => `${short(number)}/s`;

const few = new Intl.NumberFormat("en", { maximumSignificantDigits: 4 });

/** A number as it is, to four digits where it is not whole. */
export const number = (value) => (Number.isInteger(value) || Math.abs(value) >= 10_000 ? whole : few).format(value);

/** 0.0123 as "1.23 %". */
export const percent = (share) => `${number(Number((share * 100).toPrecision(3)))} %`;

/** A duration in µs. */
export function micros(us) {
  if (us === null || us === undefined) return "–";
  if (us < 1_000) return `${count(us)} µs`;
  if (us < 1_000_000) return `${fine.format(us / 1_000)} ms`;
  if (us < 120_000_000) return `${fine.format(us / 1_000_000)} s`;
  return `${count(us / 60_000_000)} min`;
}

/** A size in bytes. */
export function bytes(size) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  for (; size >= 1024 && unit < units.length - 1; unit += 1) size /= 1024;
  return `${fine.format(size)} ${units[unit]}`;
}

/** A span of time in ms, as "7 d" or "90 min". */
export function span(ms) {
  const steps = [["d", 86_400_000], ["h", 3_600_000], ["min", 60_000], ["s", 1_000]];
  const [unit, size] = steps.find(([, size]) => ms >= size * 2 || ms === size) ?? ["ms", 1];
  return `${fine.format(ms / size)} ${unit}`;
}

const two = (number) => String(number).padStart(2, "0");

/** The time of day, to the second. */
export function clock(ms) {
  const at = new Date(ms);
  return `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
}

/** Date and time, to the ms where it is not whole seconds. */
export function time(ms) {
  if (ms === null || ms === undefined) return "–";
  const at = new Date(ms);
  if (Number.isNaN(at.getTime())) return String(ms);
  const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  const rest = ms % 1_000 === 0 ? "" : `.${String(at.getMilliseconds()).padStart(3, "0")}`;
  return `${day} ${clock(ms)}${rest}`;
}

const TIME_NAME = /(time|date|day|_ms|_at)$|(^|[_-])(start|end|sched|since|until|ts|at|ms)$/i;

/** Whether a field holds a time in ms since the Unix epoch, by its name and by its size: 2001 to 2099. */
export const isTime = (name, value) =>
  Number.isInteger(value) && value >= 1e12 && value < 4.1e12 && TIME_NAME.test(name);

/** A key or value of a record: what it is, and its text. */
export function data(value) {
  if (value === null || value === undefined) return { kind: "null", text: "null" };
  if (typeof value === "string") return { kind: "text", text: value };
  if (typeof value.base64 === "string" && Object.keys(value).length === 1) {
    return { kind: "base64", text: value.base64 };
  }
  return { kind: "json", text: JSON.stringify(value), pretty: JSON.stringify(value, null, 2) };
}

/** "default/flights" as "flights". */
export const local = (topic) => topic.slice(topic.indexOf("/") + 1);
