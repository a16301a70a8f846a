// What can be done from the console, by mouse and by keyboard alone.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Server, launch, openPage } from "./support.mjs";

let server;
let browser;

before(async () => {
  server = await Server.start();
  const manifest = `
    [function]
    name = "faulty"
    [[input]]
    topic = "events"
    [[output]]
    name = "out"
    topic = "events-done"`;
  server.deploy("faulty", manifest);
  server.produce("events", ["ok", "reject", "trap", "fail"].map((value) => ({ value })));
  // The second version is to see none of these: it would not pass its trial.
  await server.settled("faulty", 4);
  server.deploy("faulty", `${manifest}\n[config]\nanother = "version"`);
  server.produce("events", [{ value: "ok" }]);
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

async function open(hash) {
  const page = await openPage(browser);
  await page.goto(`${server.address}/console/#${hash}`);
  await page.locator("h1").waitFor();
  return page;
}

async function close(page) {
  assert.deepEqual(page.problems, []);
  await page.context().close();
}

test("a function is paused and resumed, after it was asked for", async () => {
  const page = await open("/functions/faulty");
  const status = () => server.run(["status", "faulty", "-o", "json"]).state;
  await page.getByRole("button", { name: "Pause" }).click();
  await page.getByRole("dialog").getByText("Positions and state stay").waitFor();
  await page.getByRole("button", { name: "Cancel" }).click();
  await page.getByRole("dialog").waitFor({ state: "detached" });
  assert.notEqual(status(), "paused");
  await page.getByRole("button", { name: "Pause" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Pause" }).click();
  await page.locator(".badge.paused").waitFor();
  assert.equal(status(), "paused");
  await page.getByRole("button", { name: "Resume" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Resume" }).click();
  await page.locator(".badge.running").waitFor();
  await page.getByText("faulty runs.").waitFor();
  await close(page);
});

test("a function is rolled back by keyboard alone, from the first page on", async () => {
  const page = await open("/");
  await page.locator("tbody a", { hasText: "faulty" }).first().waitFor();
  const focused = () => page.evaluate(() => document.activeElement.textContent);
  async function tabTo(text) {
    for (let presses = 0; presses < 60; presses += 1) {
      await page.keyboard.press("Tab");
      if ((await focused()).trim() === text) return;
    }
    assert.fail(`${text} cannot be reached by Tab`);
  }
  await page.keyboard.press("Tab");
  assert.equal(await focused(), "Skip to content");
  await page.keyboard.press("Enter");
  assert.equal(await page.evaluate(() => document.activeElement.id), "main");
  await tabTo("faulty");
  await page.keyboard.press("Enter");
  await page.getByText("version 2", { exact: true }).waitFor();
  // The heading of the new view gets the focus, some time after it is drawn.
  await page.waitForFunction(() => document.activeElement.textContent === "faulty");
  await tabTo("Versions");
  await page.keyboard.press("Enter");
  await page.getByRole("button", { name: "Roll back to it" }).waitFor();
  await tabTo("Roll back to it");
  await page.keyboard.press("Enter");
  await page.getByRole("dialog").waitFor();
  await tabTo("Roll back");
  await page.keyboard.press("Enter");
  await page.getByText("version 1", { exact: true }).waitFor();
  assert.equal(server.run(["versions", "faulty", "-o", "json"]).active, 1);
  await close(page);
});

test("the focus stays where it is while figures change", async () => {
  const page = await open("/");
  const link = page.locator("tbody a", { hasText: "faulty" }).first();
  await link.focus();
  const rows = page.locator("tbody tr", { hasText: "faulty" });
  const before = await rows.textContent();
  server.produce("events", [{ value: "reject" }, { value: "reject" }]);
  await page.waitForFunction((text) => document.querySelector("tbody tr").textContent !== text, before);
  assert.equal(await page.evaluate(() => document.activeElement.textContent), "faulty");
  await close(page);
});

test("dead letters are redriven, those that were chosen or all", async () => {
  // What is in the topic of dead letters, and how often each value has come into the input.
  const letters = () => server.records("faulty.dead").map(({ value }) => value);
  const inputs = (value) => server.records("events").filter((record) => record.value === value).length;
  const refused = () => server.records("events").length - inputs("ok");
  const allRefused = async () => {
    while (letters().length < refused()) await new Promise((again) => setTimeout(again, 50));
  };
  await allRefused();
  const page = await open("/functions/faulty/dead-letters");
  const asked = [];
  page.on("request", (request) => {
    if (request.url().endsWith("/dead-letters/redrive")) asked.push(request.postDataJSON());
  });
  const before = letters();
  const [first, third] = [before[0], before[2]];
  const came = [inputs(first), inputs(third)];
  await page.getByLabel("Choose 0:0").check();
  await page.getByLabel("Choose 0:2").check();
  await page.getByRole("button", { name: "Redrive 2 chosen" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Redrive" }).click();
  await page.getByText("2 redriven.").waitFor();
  assert.deepEqual([inputs(first), inputs(third)], [came[0] + 1, came[1] + 1]);
  asked[0].records.sort((a, b) => a.offset - b.offset);
  assert.deepEqual(asked, [{ records: [{ partition: 0, offset: 0 }, { partition: 0, offset: 2 }] }]);
  // They fail again, and all that have not gone back yet do.
  await allRefused();
  const total = server.records("events").length;
  const rest = letters().length - 2;
  await page.getByRole("button", { name: "Redrive all" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Redrive" }).click();
  await page.getByText(`${rest} redriven.`).waitFor();
  assert.equal(server.records("events").length, total + rest);
  assert.deepEqual(asked[1], { all: true });
  await close(page);
});

test("what the server refuses is shown as it says it", async () => {
  const page = await open("/functions/faulty/dead-letters");
  const error = { code: "E-REDRIVE-BUSY", message: "somebody <b>else</b> does it", next: "wait for them" };
  await page.route("**/dead-letters/redrive", (route) => route.fulfill({ status: 409, json: { error } }));
  await page.getByRole("button", { name: "Redrive all" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Redrive" }).click();
  await page.getByRole("alert").getByText("somebody <b>else</b> does it [E-REDRIVE-BUSY] – wait for them").waitFor();
  // The browser itself tells of the answer's status.
  page.problems = page.problems.filter((text) => !text.includes("409"));
  await close(page);
  const none = await open("/functions/none");
  await none.getByRole("alert").getByText("E-FUNCTION-UNKNOWN").waitFor();
  await none.context().close();
});
