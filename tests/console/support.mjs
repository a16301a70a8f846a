// A server with functions at work, and a browser to look at it with.

import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { chromium } from "playwright-core";

const root = resolve(import.meta.dirname, "../..");
const PELTON = process.env.PELTON_TEST_BIN ?? join(root, "target/release/pelton");
const GUESTS = join(root, "guest-examples/target/wasm32-unknown-unknown/release");

/** The system's browser: none is downloaded. */
export function chromiumPath() {
  const known = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
  return process.env.PELTON_TEST_CHROMIUM ?? known.find((path) => existsSync(path));
}

/** `pelton up` in a folder of its own, and commands against it. */
export class Server {
  static async start({ token = false } = {}) {
    const server = new Server();
    server.folder = mkdtempSync(join(tmpdir(), "pelton-console-"));
    server.data = join(server.folder, "data");
    const listen = ["up", "--data-dir", server.data, "--listen", "127.0.0.1:0", "-o", "json"];
    if (token) server.token = server.run(["token", "create", "test", "--data-dir", server.data, "-o", "json"]).token;
    server.child = spawn(PELTON, listen, { stdio: ["ignore", "pipe", "pipe"] });
    server.stderr = "";
    server.child.stderr.on("data", (text) => (server.stderr += text));
    const line = await new Promise((found, failed) => {
      let out = "";
      server.child.stdout.on("data", (text) => {
        out += text;
        if (out.includes("\n")) found(out);
      });
      server.child.on("exit", () => failed(new Error(`pelton up ended: ${server.stderr}`)));
    });
    server.address = JSON.parse(line).address;
    return server;
  }

  /** Runs a command; answers its JSON, or its text. */
  run(args, { input = "", allowed = [0] } = {}) {
    const env = { ...process.env, PELTON_SERVER: this.address ?? "" };
    if (this.token) env.PELTON_TOKEN = this.token;
    const ended = spawnSync(PELTON, args, { input, env, encoding: "utf8", cwd: this.folder });
    if (!allowed.includes(ended.status)) throw new Error(`pelton ${args.join(" ")}: ${ended.stderr}`);
    try {
      return JSON.parse(ended.stdout);
    } catch {
      return ended.stdout;
    }
  }

  /** Deploys one of the guest examples under this manifest. */
  deploy(module, manifest) {
    const file = join(this.folder, `${module}.toml`);
    writeFileSync(file, manifest);
    return this.run(["deploy", join(GUESTS, `${module}.wasm`), "--manifest", file, "--wait", "100ms"]);
  }

  /** Deploys a pipeline of ready-made functions under this manifest. */
  deployPipeline(manifest) {
    const folder = join(this.folder, "pipeline");
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, "pelton.toml"), manifest);
    return this.run(["deploy", folder, "--wait", "100ms"]);
  }

  /** Waits until a function has done so many records. */
  async settled(name, records) {
    for (;;) {
      if (this.run(["status", name, "-o", "json"]).records_in >= records) return;
      await new Promise((again) => setTimeout(again, 50));
    }
  }

  /** Produces records, given as objects. */
  produce(topic, records) {
    const input = records.map((record) => JSON.stringify(record)).join("\n");
    return this.run(["produce", topic, "--input", "-"], { input: `${input}\n` });
  }

  /** The records of a topic, as they are consumed. */
  records(topic) {
    const found = this.run(["consume", topic]);
    if (typeof found === "object") return [found];
    return found.split("\n").filter(Boolean).map((line) => JSON.parse(line));
  }

  async stop() {
    const ended = new Promise((done) => this.child.on("exit", done));
    this.child.kill("SIGTERM");
    await ended;
    rmSync(this.folder, { recursive: true });
  }
}

const FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
  "--disable-background-networking", "--disable-component-update", "--disable-sync"];

export function launch() {
  return chromium.launch({ executablePath: chromiumPath(), headless: true, args: FLAGS });
}

export const DESKTOP = { width: 1280, height: 800 };
export const PHONE = { width: 360, height: 740 };

/** A page that takes note of everything that a page should not do. */
export async function openPage(browser, { viewport = DESKTOP, colorScheme = "light" } = {}) {
  const context = await browser.newContext({ viewport, colorScheme, hasTouch: viewport === PHONE });
  const page = await context.newPage();
  page.problems = [];
  const note = (text) => page.problems.push(text);
  page.on("console", (message) => ["error", "warning"].includes(message.type()) && note(message.text()));
  page.on("pageerror", (error) => note(String(error)));
  page.on("dialog", (dialog) => (note(`dialog: ${dialog.message()}`), dialog.dismiss()));
  page.on("request", (request) => {
    const { protocol, hostname } = new URL(request.url());
    if (protocol !== "data:" && hostname !== "127.0.0.1") note(`asks ${request.url()}`);
  });
  await page.addInitScript(() => {
    document.addEventListener("securitypolicyviolation", (event) =>
      console.error(`CSP: ${event.violatedDirective} ${event.blockedURI}`));
  });
  return page;
}

/** Keeps a screenshot, where the environment names a folder for them. */
export async function shoot(page, name) {
  const folder = process.env.PELTON_TEST_SCREENSHOTS;
  if (!folder) return;
  mkdirSync(folder, { recursive: true });
  await page.screenshot({ path: join(folder, `${name}.png`), fullPage: true });
}

/** A pipeline: flights are routed, counted and summed up; events make trouble. */
export function pipeline(server) {
  server.deploy("router", `
    [function]
    name = "router"
    [[input]]
    topic = "flights"
    partitions = 2
    [[output]]
    name = "departed"
    topic = "departures"
    [[output]]
    name = "cancelled"
    topic = "cancellations"`);
  server.deploy("flights_stats", `
    [function]
    name = "carriers"
    [[input]]
    topic = "flights"
    [[output]]
    name = "out"
    topic = "delays-by-carrier"`);
  server.deploy("windowed_count", `
    [function]
    name = "hourly"
    [[input]]
    topic = "departures"
    out_of_orderness = "22h"
    [[output]]
    name = "out"
    topic = "departures-by-hour"
    [window]
    size = "1h"`);
  server.deploy("faulty", `
    [function]
    name = "faulty"
    [[input]]
    topic = "events"
    [[output]]
    name = "out"
    topic = "events-done"`);
  server.produce("flights", flights(1_500));
}

const CARRIERS = ["UA", "AA", "B6", "DL", "EV", "MQ", "US", "WN", "VX", "FL"];

/** Flights like real ones, the same each time. */
export function flights(number) {
  let seed = 7;
  const random = () => (seed = (seed * 48_271) % 2_147_483_647) / 2_147_483_647;
  return Array.from({ length: number }, (_, at) => {
    const carrier = CARRIERS[Math.floor(random() * CARRIERS.length)];
    const dep_time = 1_357_034_400_000 + at * 60_000;
    const cancelled = random() < 0.03;
    const dep_delay = cancelled ? null : Math.round(random() ** 4 * 120 - 5);
    const value = { carrier, origin: "JFK", flight: at, dep_delay, dep_time: cancelled ? null : dep_time };
    return { key: carrier, value, timestamp: dep_time };
  });
}
