// Making and changing elements. Data only ever becomes text nodes and attributes: never markup.

const SVG = "http://www.w3.org/2000/svg";

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element[name] = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...parts(children));
  return element;
}

function parts(children) {
  const flat = children.flat(Infinity).filter((child) => child !== null && child !== undefined);
  return flat.filter((child) => child !== false && child !== "");
}

/** An element: `h("a", { href, onclick }, "text", otherElement)`. */
export function h(tag, attributes, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** An element of SVG. */
export function svg(tag, attributes, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

/**
 * Gives `target` these children, and keeps the elements that stay what they were: with them stay
 * focus, selection, what was typed, and which details are open.
 */
export function update(target, ...children) {
  const next = target.cloneNode(false);
  next.append(...parts(children));
  morphChildren(target, next);
}

const HANDLERS = ["onclick", "onchange", "oninput", "onsubmit", "onkeydown", "ontoggle"];

function isSame(old, next) {
  return old.nodeName === next.nodeName && old.dataset?.key === next.dataset?.key;
}

function morph(old, next) {
  if (old.nodeType === Node.TEXT_NODE) {
    if (old.data !== next.data) old.data = next.data;
    return;
  }
  for (const { name } of [...old.attributes]) {
    if (!next.hasAttribute(name) && name !== "open") old.removeAttribute(name);
  }
  for (const { name, value } of next.attributes) {
    if (old.getAttribute(name) !== value && name !== "open") old.setAttribute(name, value);
  }
  for (const name of HANDLERS) old[name] = next[name];
  morphChildren(old, next);
}

function morphChildren(old, next) {
  const keyed = new Map();
  for (const child of old.children) {
    if (child.dataset.key !== undefined) keyed.set(child.dataset.key, child);
  }
  let at = old.firstChild;
  for (const child of [...next.childNodes]) {
    const known = child.dataset?.key === undefined ? at : keyed.get(child.dataset.key);
    if (known && isSame(known, child)) {
      morph(known, child);
      if (known === at) at = at.nextSibling;
      else old.insertBefore(known, at);
    } else {
      old.insertBefore(child, at);
    }
  }
  while (at) {
    const gone = at;
    at = at.nextSibling;
    gone.remove();
  }
}

/** Tells those who cannot see what has changed. */
export function say(text) {
  document.getElementById("said").textContent = text;
}

/** A heading that takes the focus when its view opens. */
export function title(...children) {
  return h("h1", { tabindex: "-1" }, ...children);
}

/** A table with titles; those that start with ">" are of numbers. */
export function table(label, titles, rows, empty) {
  if (rows.length === 0) return h("p", { class: "empty" }, empty);
  const name = (text) => text.replace(/^>/, "");
  const kind = (text) => (text.startsWith(">") ? "number" : null);
  const head = titles.map((text) => h("th", { scope: "col", class: kind(text) }, name(text)));
  const row = (cells) =>
    h("tr", { "data-key": cells.key },
      cells.map((cell, index) =>
        h("td", { class: kind(titles[index]), "data-title": name(titles[index]) }, cell)));
  return h("div", { class: "scroll rows", tabindex: "0", role: "region", "aria-label": label },
    h("table", null, h("thead", null, h("tr", null, head)), h("tbody", null, rows.map(row))));
}
