// Functions that create elements. Text is never parsed as HTML.

const SVG = "http://www.w3.org/2000/svg";

export const $ = (id) => document.getElementById(id);

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat().filter((c) => c !== null && c !== undefined));
  return node;
}

export const el = (tag, attributes = {}, ...children) => fill(document.createElement(tag), attributes, children);
export const svg = (tag, attributes = {}, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);

// text sets an element's text if it differs, so that nothing is redrawn or
// announced unnecessarily.
export function text(node, value) {
  if (node.textContent !== value) node.textContent = value;
}

export function show(node, visible) {
  if (node.hidden === visible) node.hidden = !visible;
}

// rows creates a table; the first cell of each row is its header.
export function table(caption, heads, rows) {
  const head = el("tr", {}, heads.map((h, i) => el("th", { scope: "col", class: i ? "number" : null }, h)));
  const body = rows.map((cells) => el("tr", {}, cells.map((c, i) => (i ? el("td", { class: "number" }, c) : el("th", { scope: "row" }, c)))));
  return el("table", { class: "plain" }, el("caption", { class: "hidden" }, caption), el("thead", {}, head), el("tbody", {}, body));
}

// keyed keeps one child element per key, in order, so that a focused element
// stays the same.
export function keyed(parent, items, key, make, update) {
  const nodes = (parent.keyed ??= new Map());
  const wanted = new Set(items.map(key));
  for (const [k, node] of nodes) {
    if (!wanted.has(k)) {
      node.remove();
      nodes.delete(k);
    }
  }
  let before = null;
  for (const item of items) {
    const k = key(item);
    let node = nodes.get(k);
    if (!node) nodes.set(k, (node = make(item)));
    update(node, item);
    const place = before ? before.nextSibling : parent.keyedFirst ? parent.keyedFirst.nextSibling : parent.firstChild;
    if (node !== place) parent.insertBefore(node, place);
    before = node;
  }
}
