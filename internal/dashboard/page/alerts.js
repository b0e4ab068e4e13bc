// Declared alerts: their states, and the times in which they fired.

import { $, el, keyed, show, text } from "./dom.js";
import { grouped } from "./number.js";
import { plain } from "./recent.js";
import { span, when } from "./time.js";

const tones = { firing: "bad", pending: "watch", ok: "good" };
const order = ["firing", "pending", "silenced", "no data", "ok"];
const number = (v) => (v === null || v === undefined ? "" : `now ${grouped(Number(v.toPrecision(6)))}`);

// spans returns the times in which alerts fired: from each change to firing until the
// alert's next change.
export function spans({ alerts, changes, from }, now) {
  const all = [], open = new Map(); // name → beginning
  for (const c of changes) {
    if (open.has(c.name) && c.state !== "firing") {
      all.push({ name: c.name, from: open.get(c.name), to: Date.parse(c.at) });
      open.delete(c.name);
    }
    if (c.state === "firing" && !open.has(c.name)) open.set(c.name, Date.parse(c.at));
  }
  for (const a of alerts) {
    if (a.state !== "firing") continue;
    all.push({ name: a.name, from: open.get(a.name) ?? Math.max(Date.parse(a.since), Date.parse(from)), to: now });
  }
  return all;
}

// showAlerts fills the list; a stack without alerts has none.
export function showAlerts(alerts) {
  show($("alerts"), alerts.length > 0);
  const sorted = [...alerts].sort((a, b) => order.indexOf(a.state) - order.indexOf(b.state) || (a.name < b.name ? -1 : 1));
  const firing = alerts.filter((a) => a.state === "firing").length;
  const verdict = $("alerts-verdict");
  verdict.className = "verdict " + (firing ? "bad" : "good");
  text(verdict, firing ? `${firing} firing` : "None firing");
  keyed($("alerts-list"), sorted, (a) => a.name, () => {
    const parts = { state: el("span"), name: el("b"), severity: el("span", { class: "small" }), words: el("p", { class: "small" }), since: el("span", { class: "small" }) };
    return Object.assign(el("li", {}, el("div", { class: "head" }, parts.state, parts.name, parts.severity, el("span", { class: "space" }), parts.since), parts.words), parts);
  }, (node, a) => {
    text(node.state, a.state);
    node.state.className = "state " + (tones[a.state] ?? "quiet");
    text(node.name, plain(a.name));
    text(node.severity, plain(a.severity));
    text(node.words, [plain(a.condition), number(a.value)].filter(Boolean).join(" \u00b7 "));
    text(node.since, Date.parse(a.since) > 0 ? `since ${when(Date.parse(a.since))} (${span(Date.now() - Date.parse(a.since))})` : "");
  });
}
