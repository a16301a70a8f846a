// Functions that belong to a pipeline: they say so, and go back together.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { DESKTOP, PHONE, Server, launch, openPage, shoot } from "./support.mjs";

const manifest = (share) => `
  [pipeline]
  name = "flights"
  [functions.some]
  build.file = "std:sample"
  config.share = ${share}
  input = [{ topic = "all" }]
  output = [{ name = "out", topic = "some" }]
  [functions.delays]
  build.file = "std:stats"
  config.field = "/delay"
  window.size = "1h"
  input = [{ topic = "some" }]
  output = [{ name = "out", topic = "delays" }]`;

let server;
let browser;

before(async () => {
  server = await Server.start();
  server.deployPipeline(manifest(0.5));
  server.deployPipeline(manifest(1));
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

async function open(hash, options) {
  const page = await openPage(browser, options);
  await page.goto(`${server.address}/console/#${hash}`);
  await page.locator("h1").waitFor();
  return page;
}

for (const [kind, viewport] of [["desktop", DESKTOP], ["phone", PHONE]]) {
  test(`functions name their pipeline on a ${kind}`, async () => {
    const page = await open("/", { viewport });
    const row = page.getByRole("row").filter({ hasText: "delays" }).first();
    await row.getByText("flights").waitFor();
    const beyond = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    assert.ok(beyond <= 0, `the page is wider than the window by ${beyond}`);
    await shoot(page, `pipeline-${kind}`);
    await page.getByRole("link", { name: "delays", exact: true }).first().click();
    await page.getByText("version 1, of pipeline flights").waitFor();
    assert.deepEqual(page.problems, []);
    await page.context().close();
  });
}

test("a function's pipeline goes back as a whole", async () => {
  const page = await open("/functions/delays", { viewport: DESKTOP });
  await page.getByRole("button", { name: "Roll pipeline back" }).click();
  await page.getByText("All its functions become what they were").waitFor();
  await page.getByRole("dialog").getByRole("button", { name: "Roll pipeline back" }).click();
  await page.getByText("The pipeline flights was rolled back.").waitFor();
  assert.equal(server.run(["pipeline", "status", "flights", "-o", "json"]).version, 1);
  assert.equal(server.run(["status", "some", "-o", "json"]).version, 1);
  assert.deepEqual(page.problems, []);
  await page.context().close();
});
