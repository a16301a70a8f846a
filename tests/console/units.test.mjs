// The parts of the console that only reckon: formats, MessagePack, events, layout.

import assert from "node:assert/strict";
import { test } from "node:test";

globalThis.location = { search: "" };
const from = (file) => import(`../../runtime/server/src/console/${file}`);
const { bytes, isTime, micros, number, percent, short, span } = await from("format.js");
const { decode, bytesOf } = await from("msgpack.js");
const { layers, tree } = await from("layout.js");
const { niceTop } = await from("chart.js");
const { parse } = await from("events.js");

test("numbers are shown as people read them", () => {
  assert.deepEqual([999, 1_500, 2_500_000].map(micros), ["999 µs", "1.5 ms", "2.5 s"]);
  assert.deepEqual([micros(null), micros(180e6)], ["–", "3 min"]);
  assert.deepEqual([1023, 1536, 5 * 1024 ** 3].map(bytes), ["1,023 B", "1.5 KiB", "5 GiB"]);
  assert.deepEqual([0, 12.34, 9_999, 1_234_567].map(short), ["0", "12.3", "9,999", "1.2M"]);
  assert.deepEqual([5, 0.012345, 1234.5678].map(number), ["5", "0.01235", "1,235"]);
  assert.equal(percent(0.012), "1.2 %");
  assert.deepEqual([604_800_000, 3_600_000, 90_000, 250].map(span), ["7 d", "1 h", "90 s", "250 ms"]);
  assert.deepEqual([0, 0.3, 7, 10, 101].map(niceTop), [1, 0.5, 10, 10, 200]);
});

test("a field is a time by its name and its size", () => {
  for (const name of ["day", "start", "end", "dep_time", "created_at", "time-ms", "Date", "ts"]) {
    assert.ok(isTime(name, 1_360_386_000_000), name);
  }
  for (const name of ["flights", "bytes", "weekend_total", "rats", "format"]) {
    assert.ok(!isTime(name, 1_360_386_000_000), name);
  }
  for (const value of [0, 59, 1_360_386_000, 999_999_999_999, 4.1e12, 1_360_386_000_000.5, "1360386000000", null]) {
    assert.ok(!isTime("time", value), String(value));
  }
});

test("MessagePack is decoded whole or not at all", () => {
  const decoded = (...list) => decode(Uint8Array.from(list))?.value;
  assert.deepEqual(decoded(0x82, 0xa1, 0x61, 0x07, 0xa1, 0x62, 0x93, 0xc0, 0xc3, 0xff), { a: 7, b: [null, true, -1] });
  assert.equal(decoded(0xcf, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff), "18446744073709551615");
  assert.equal(decoded(0xcb, 0x3f, 0xf8, 0, 0, 0, 0, 0, 0), 1.5);
  assert.equal(decoded(0xd9, 2, 0x68, 0x69), "hi");
  for (const bad of [[], [0x07, 0x07], [0xa5, 0x61], [0xc1], [0xdd, 0xff, 0xff, 0xff, 0xff], [0xa1, 0xff]]) {
    assert.equal(decode(Uint8Array.from(bad)), null, String(bad));
  }
  const deep = decode(Uint8Array.from([...Array(70).fill(0x91), 1]));
  assert.equal(deep, null);
  assert.deepEqual([...bytesOf({ base64: "AP8=" })], [0, 255]);
  assert.deepEqual([...bytesOf({ text: "é" })], [0xc3, 0xa9]);
});

test("a graph's layers lead onwards, cycles or not", () => {
  const edges = [["a", "f"], ["f", "b"], ["b", "g"], ["g", "a"], ["b", "b"]];
  assert.deepEqual(layers(["a", "f", "b", "g"], edges), [["a"], ["f"], ["b"], ["g"]]);
  const crossing = [["a", "y"], ["b", "x"]];
  const found = layers(["a", "b", "x", "y"], crossing);
  assert.deepEqual(found[0].map((node) => crossing.find(([from]) => from === node)[1]), found[1]);
  const order = tree(["a", "c", "f", "b", "g"], [...edges, ["c", "b"]]);
  assert.deepEqual(order.map(({ id, depth }) => `${id}${depth}`), ["a0", "f1", "c0", "b2", "g3"]);
});

test("an event is its id, its name and its data; a comment is none", () => {
  assert.deepEqual(parse("id: 0:4\ndata: {\"a\":1}"), { id: "0:4", event: "message", data: "{\"a\":1}" });
  assert.deepEqual(parse("event: end\ndata: {}"), { id: null, event: "end", data: "{}" });
  assert.equal(parse(": still here"), null);
});
