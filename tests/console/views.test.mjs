// Every view, as somebody with a desktop and somebody with a phone meets it.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { DESKTOP, PHONE, Server, flights, launch, openPage, pipeline, shoot } from "./support.mjs";

const EVENTS = ["hello", "reject", "panic", "trap", "fail"];

let server;
let browser;

before(async () => {
  server = await Server.start();
  pipeline(server);
  server.produce("events", EVENTS.map((value, at) => ({ key: `event-${at}`, value, headers: { trace: `t${at}` } })));
  server.run(["consume", "flights", "--group", "report", "--max", "10"]);
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

/** Opens an address of the console, and answers the page. */
async function open(hash, options) {
  const page = await openPage(browser, options);
  await page.goto(`${server.address}/console/#${hash}`);
  await page.locator("h1").waitFor();
  return page;
}

const isQuiet = (page) => assert.deepEqual(page.problems, []);

/** That nothing but what may scroll is wider than the window. */
async function fits(page) {
  const beyond = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
  assert.ok(beyond <= 0, `the page is wider than the window by ${beyond}`);
}

for (const [kind, options] of [
  ["desktop", { viewport: DESKTOP }],
  ["desktop-dark", { viewport: DESKTOP, colorScheme: "dark" }],
  ["phone", { viewport: PHONE }],
  ["phone-dark", { viewport: PHONE, colorScheme: "dark" }],
]) {
  describe(`on a ${kind}`, () => {
    /** Opens a view, waits for what tells that it is drawn, and looks whether all is well. */
    async function view(name, hash, drawn, look = async () => {}) {
      const page = await open(hash, options);
      await page.getByText(drawn).first().waitFor();
      await look(page);
      await fits(page);
      await shoot(page, `${name}-${kind}`);
      isQuiet(page);
      await page.context().close();
    }

    test("functions, their graph and the server's charts", () =>
      view("functions", "/", "4 of 4 running", async (page) => {
        for (const name of ["router", "carriers", "hourly", "faulty"]) {
          await page.getByRole("link", { name, exact: true }).waitFor();
        }
        for (const node of [/^function router, /, /^topic flights, 1,500 records$/, /^topic faulty.dead, 4 records$/]) {
          await page.getByRole("link", { name: node }).waitFor();
        }
        assert.equal(await page.locator("path.edge").count(), 11);
        assert.equal(await page.locator("path.edge.dead").count(), 1);
        assert.equal(await page.getByRole("group", { name: "Records of functions" }).count(), 1);
      }));

    test("one function: figures, charts, tasks", () =>
      view("function", "/functions/carriers", "records in", async (page) => {
        const figure = page.locator(".figures div", { hasText: "records in" });
        await figure.getByText("1,500", { exact: true }).waitFor();
        assert.equal(await page.locator("figure.chart").count(), 6);
        const tabs = await page.locator(".tabs").evaluate((tabs) => tabs.scrollWidth - tabs.clientWidth);
        assert.equal(tabs, 0, "every tab is in sight");
        await page.getByText("flights ").first().waitFor();
        await page.getByText(/carriers: \d+ \(/).first().waitFor();
      }));

    test("its log", () =>
      view("log", "/functions/faulty/logs", "panics on purpose", async (page) => {
        await page.getByLabel("With").fill("nothing has this");
        await page.getByText(/^0 of \d+ lines\.$/).waitFor();
      }));

    test("a tap: what goes in beside what comes of it", () =>
      view("tap", "/functions/faulty/tap", "Nothing is watched", async (page) => {
        await page.getByRole("button", { name: "Start" }).focus();
        await page.keyboard.press("Enter");
        await page.getByText("Watching: waiting for the first.").waitFor();
        server.produce("events", [{ key: "tapped", value: "hello" }]);
        await page.getByText(/^Watching: 1 so far, newest first\.$/).waitFor();
        const row = page.locator(".tap tbody tr");
        assert.match(await row.locator("td").first().textContent(), /^events 0:\d+, version 1tapped hello$/);
        assert.match(await row.locator("td").last().textContent(), /^events-done tapped hello/);
        await page.keyboard.press("Enter");
        await page.getByText("Stopped: 1 so far").waitFor();
        server.produce("events", [{ key: "tapped", value: "hello again" }]);
        await page.waitForTimeout(300);
        assert.equal(await row.count(), 1, "nothing comes once it has stopped");
      }));

    test("its dead letters, with all that is known of each", () =>
      view("dead-letters", "/functions/faulty/dead-letters", "E-GUEST-TRAP", async (page) => {
        assert.equal(await page.locator("details.letter").count(), 4);
        await page.locator("details.letter", { hasText: "rejected on purpose" }).locator("summary").click();
        await page.getByText("events 0:1, version 1").waitFor();
        await page.getByText("t1", { exact: true }).waitFor();
      }));

    test("its state, decoded", () =>
      view("state", "/functions/carriers/state", /"flights":\d+,"cancelled":\d+/, async (page) => {
        await page.getByLabel("Keys that start with").fill("UA");
        await page.locator("tbody tr").nth(1).waitFor({ state: "detached" });
        assert.match(page.url(), /prefix=UA/);
      }));

    test("why its windows have fired or not, and what became of a record", () =>
      view("why", "/functions/hourly/why", "Held by", async (page) => {
        await page.getByLabel("Windows of the key").fill("nobody");
        await page.keyboard.press("Enter");
        await page.getByText("No window of the key is kept.").waitFor();
        await page.getByLabel("or a record").fill("departures:0:0");
        await page.keyboard.press("Enter");
        await page.locator("#fate", { hasText: "departures:0:0: read" }).waitFor();
        await page.getByText("departures:0", { exact: true }).waitFor();
        assert.match(page.url(), /record=departures/);
      }));

    test("its versions and events", () =>
      view("versions", "/functions/carriers/versions", "What has happened", async (page) => {
        await page.locator(".badge", { hasText: "active" }).waitFor();
        await page.getByText("pelton.toml").click();
        await page.getByText('topic = "delays-by-carrier"').waitFor();
      }));

    test("topics", () =>
      view("topics", "/topics", "departures-by-hour", async (page) => {
        await page.getByRole("link", { name: "Latest by key of flights" }).waitFor();
      }));

    test("a topic's records, from anywhere", () =>
      view("topic", "/topics/flights", "50 records, newest first.", async (page) => {
        await page.locator("details.record summary").first().click();
        await page.getByText('"carrier": ').first().waitFor();
        await page.getByLabel("From", { exact: true }).selectOption("offset");
        await page.getByLabel("Offset").fill("7");
        await page.getByLabel("Partition", { exact: true }).selectOption("1");
        await page.getByRole("button", { name: "Read" }).click();
        await page.getByText("1:7", { exact: true }).waitFor();
        await page.getByRole("button", { name: "Next 50" }).click();
        await page.getByText("100 records, in the order of their offsets.").waitFor();
        assert.match(page.url(), /from=offset&partition=1&offset=7|from=offset&offset=7&partition=1/);
      }));

    test("a topic as a dashboard: the latest of each key", () =>
      view("dashboard", "/topics/delays-by-carrier/table?field=mean_delay&sort=-flights", "10 keys, live.", async (page) => {
        assert.equal(await page.locator("tbody tr").count(), 10);
        assert.equal(await page.locator("meter").count(), 10);
        assert.equal(await page.getByLabel("Chart of").inputValue(), "mean_delay");
        const column = await page.locator("tbody td:nth-child(2)").allTextContents();
        const numbers = column.map(Number);
        assert.deepEqual(numbers, [...numbers].sort((a, b) => b - a));
        await page.getByRole("button", { name: "share_cancelled" }).click();
        assert.match(page.url(), /sort=-share_cancelled/);
      }));

    test("a dashboard shows times as times, and makes no bars of them", () =>
      view("dashboard-times", "/topics/departures-by-hour/table", "10 keys, live.", async (page) => {
        assert.deepEqual(await page.getByLabel("Chart of").locator("option").allTextContents(), ["count"]);
        const row = await page.locator("tbody tr").first().locator("td").allTextContents();
        const { height } = await page.locator("tbody tr").first().boundingBox();
        assert.ok(height < 48, `a row is one line, not ${height} px`);
        for (const at of [0, 1, 3]) assert.match(row[at], /^2013-01-0[12] \d\d:\d\d:\d\d/, String(row));
      }));

    test("groups", () => view("groups", "/groups", "report"));

    test("an address of nothing", () => view("nothing", "/nope", "Nothing here"));
  });
}

test("what comes is shown as it comes: followed records, the dashboard, the log, the figures", async () => {
  const [topic, board, log, figures] = await Promise.all([
    open("/topics/flights"), open("/topics/delays-by-carrier/table"),
    open("/functions/faulty/logs"), open("/functions/faulty")]);
  await topic.getByText("50 records").waitFor();
  await topic.getByLabel("Follow").check();
  await topic.getByText("Waiting for records").waitFor();
  await board.getByText("10 keys, live.").waitFor();
  await figures.locator(".figures div", { hasText: "rejected" }).getByText("4", { exact: true }).waitFor();
  await topic.waitForTimeout(300);
  const [flight] = flights(1);
  server.produce("flights", [{ ...flight, key: "ZZ" }]);
  server.produce("events", [{ value: "panic" }]);
  await topic.getByText("1 records have come, newest first.").waitFor();
  await topic.locator("details.record", { hasText: "ZZ" }).waitFor();
  await board.getByText("11 keys, live.").waitFor();
  await log.locator(".log li").nth(1).waitFor();
  await figures.locator(".figures div", { hasText: "rejected" }).getByText("5", { exact: true }).waitFor();
  for (const page of [topic, board, log, figures]) {
    isQuiet(page);
    await page.context().close();
  }
});

test("charts have what happened before they were opened, and are read by keyboard", async () => {
  const page = await open("/functions/carriers");
  const chart = page.getByRole("group", { name: "Records", exact: true });
  // The sample that has the 1,500 records: 300 a second.
  await page.waitForFunction(() => {
    const line = document.querySelector("figure.chart path.line-0")?.getAttribute("d") ?? "";
    return line.includes("L");
  }, null, { timeout: 20_000 });
  await chart.focus();
  await page.keyboard.press("Home");
  const seen = new Set();
  for (let at = 0; at < 40; at += 1) {
    seen.add(await chart.locator("output").first().textContent());
    await page.keyboard.press("ArrowRight");
  }
  assert.ok([...seen].some((text) => text !== "0/s" && text !== "–"), [...seen].join(" "));
  await page.keyboard.press("Escape");
  isQuiet(page);
  await page.context().close();
});
