// Data that would like to be markup, tokens, and servers that go away.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Server, launch, openPage } from "./support.mjs";

const EVIL = `"><img src=x onerror="window.evil=1"><script>window.evil=1</script><svg onload=window.evil=1>`;

let browser;
before(async () => (browser = await launch()));
after(() => browser?.close());

test("markup in keys, values, headers, reasons and log lines is text", async () => {
  const server = await Server.start();
  try {
    server.deploy("router", `
      [function]
      name = "router"
      [[input]]
      topic = "flights"
      [[output]]
      name = "departed"
      topic = "departed"
      [[output]]
      name = "cancelled"
      topic = "cancelled"`);
    const headers = { [EVIL]: EVIL };
    server.produce("flights", [
      { key: EVIL, value: { [EVIL]: EVIL, dep_time: 1 }, headers }, { key: EVIL, value: EVIL, headers }]);
    const page = await openPage(browser);
    const line = { time_ms: 0, level: "error", partition: 0, message: EVIL };
    await page.route("**/logs", (route) => route.fulfill({
      contentType: "text/event-stream", body: `id: 0\ndata: ${JSON.stringify(line)}\n\n`,
    }));
    for (const hash of ["/topics/flights", "/topics/departed/table", "/functions/router/dead-letters",
      "/functions/router/logs", `/topics/${encodeURIComponent(EVIL)}`, `/functions/${encodeURIComponent(EVIL)}`]) {
      await page.goto(`${server.address}/console/?${Math.random()}#${hash}`);
      await page.getByText("onerror").first().waitFor();
      for (const summary of await page.locator("main summary").all()) await summary.click();
      await page.waitForTimeout(100);
      assert.equal(await page.evaluate(() => window.evil), undefined, hash);
      assert.equal(await page.locator("main img, main script, main svg[onload]").count(), 0, hash);
    }
    const problems = page.problems.filter((text) => !/status of 40[04]/.test(text));
    assert.deepEqual(problems, []);
    await page.context().close();
  } finally {
    await server.stop();
  }
});

test("where the server asks for a token the console asks for it, and sends it with everything", async () => {
  const server = await Server.start({ token: true });
  try {
    server.run(["topic", "create", "t"]);
    const page = await openPage(browser);
    await page.goto(`${server.address}/console/#/topics/t`);
    await page.getByLabel("Token").fill("pelton_wrong");
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("alert").getByText("E-AUTH-TOKEN").waitFor();
    await page.getByLabel("Token").fill(server.token);
    await page.keyboard.press("Enter");
    await page.getByText("No records.").waitFor();
    // A stream takes it too.
    await page.getByLabel("Follow").check();
    await page.waitForTimeout(300);
    server.produce("t", [{ value: "with a token" }]);
    await page.getByText("with a token").first().waitFor();
    await page.reload();
    await page.getByText("with a token").first().waitFor();
    assert.equal(await page.evaluate(() => localStorage.length + document.cookie.length), 0);
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByLabel("Token").waitFor();
    const problems = page.problems.filter((text) => !text.includes("401"));
    assert.deepEqual(problems, []);
    await page.context().close();
  } finally {
    await server.stop();
  }
});

test("a server that goes away is told, and the page goes on once it is back", async () => {
  const server = await Server.start();
  server.run(["topic", "create", "t"]);
  const page = await openPage(browser);
  await page.goto(`${server.address}/console/#/topics`);
  await page.getByRole("link", { name: "t", exact: true }).waitFor();
  await page.route("**/api/**", (route) => route.abort());
  await page.getByRole("alert").getByText("The server does not answer").waitFor();
  await page.unroute("**/api/**");
  await page.getByRole("alert").waitFor({ state: "hidden" });
  await page.context().close();
  await server.stop();
});
