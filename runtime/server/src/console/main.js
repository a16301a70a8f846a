// From the page's address to a view, and on to the next.

import { ApiError, tenant, token } from "./api.js";
import { h, title } from "./dom.js";
import { functionView } from "./function.js";
import { groupsView } from "./groups.js";
import { overview } from "./overview.js";
import { signIn } from "./sign_in.js";
import { dashboard } from "./table.js";
import { topicView } from "./topic.js";
import { topicsView } from "./topics.js";

const ROUTES = [
  [/^\/?$/, overview, "Functions"],
  [/^\/functions\/([^/]+)(?:\/([a-z-]+))?$/, functionView, "Functions"],
  [/^\/topics$/, topicsView, "Topics"],
  [/^\/topics\/([^/]+)$/, topicView, "Topics"],
  [/^\/topics\/([^/]+)\/table$/, dashboard, "Topics"],
  [/^\/groups$/, groupsView, "Groups"],
];

const main = document.getElementById("main");
const trouble = document.getElementById("trouble");
let current = null;
let path = null;

/** What a view is given: where it is drawn, its address's parts, and when it is over. */
class View {
  constructor(parameters, search) {
    this.root = h("div", { class: "view" });
    this.parameters = parameters;
    this.search = search;
    this.stopped = new AbortController();
    this.signal = this.stopped.signal;
  }

  /** Does `work` now and again, each time `ms` after it was done, until the view is over. */
  async every(ms, work) {
    const round = async () => {
      const failed = await this.attempt(work);
      if (!failed) showTrouble(null);
    };
    const loop = async () => {
      await round();
      if (!this.signal.aborted) setTimeout(loop, document.hidden ? ms * 5 : ms);
    };
    await loop();
  }

  /** Does `work`; shows what goes wrong. Answers whether something has. */
  async attempt(work) {
    try {
      await work();
      return false;
    } catch (error) {
      if (!this.signal.aborted) fail(this, error);
      return true;
    }
  }

  /** Changes the address's query without leaving the view. */
  keep(parameters) {
    for (const [name, value] of Object.entries(parameters)) {
      if (value === null || value === "") this.search.delete(name);
      else this.search.set(name, value);
    }
    const search = this.search.toString();
    history.replaceState(null, "", `${location.search}#${path}${search ? `?${search}` : ""}`);
  }
}

function showTrouble(error) {
  const text = error ? String(error) : "";
  if (trouble.textContent !== text) trouble.textContent = text;
  trouble.hidden = !error;
}

function fail(view, error) {
  if (error instanceof ApiError && error.asksForToken) {
    view.stopped.abort();
    showTrouble(null);
    main.replaceChildren(view.root);
    signIn(view.root, error, show);
    return;
  }
  if (!(error instanceof ApiError)) console.error(error);
  showTrouble(error);
}

async function show() {
  current?.stopped.abort();
  showTrouble(null);
  const address = location.hash.slice(1) || "/";
  const [before, search] = address.split("?");
  path = before;
  let found = null;
  for (const [pattern, view, section] of ROUTES) {
    const match = pattern.exec(path);
    if (match) found = { view, section, parameters: match.slice(1).map(decoded) };
  }
  const view = new View(found?.parameters ?? [], new URLSearchParams(search));
  current = view;
  mark(found?.section);
  main.replaceChildren(view.root);
  window.scrollTo(0, 0);
  document.getElementById("sign-out").hidden = token.get() === null;
  if (!found) {
    view.root.append(title("Nothing here"), h("p", null, h("a", { href: "#/" }, "To the functions")));
  } else {
    await view.attempt(() => found.view(view, ...found.parameters));
  }
  if (view.signal.aborted) return;
  const heading = view.root.querySelector("h1");
  document.title = heading ? `${heading.textContent} – Pelton` : "Pelton";
}

function decoded(part) {
  try {
    return part === undefined ? undefined : decodeURIComponent(part);
  } catch {
    return part;
  }
}

function mark(section) {
  for (const link of document.querySelectorAll("header nav a")) {
    if (link.textContent === section) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

document.querySelector(".skip").onclick = (event) => {
  event.preventDefault();
  main.focus();
};
document.getElementById("sign-out").onclick = () => {
  token.forget();
  show();
};
if (tenant !== "default") document.getElementById("tenant").textContent = `tenant ${tenant}`;
window.addEventListener("hashchange", () => show().then(() => {
  current.root.querySelector("h1")?.focus({ preventScroll: true });
}));
show();
