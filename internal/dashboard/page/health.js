// The pipeline's health in plain words, and the source of each number.

import { $, el, keyed, text } from "./dom.js";
import { grouped, percent } from "./number.js";
import { MINUTE, SECOND, span, when } from "./time.js";

const GOOD = "good", WATCH = "watch", BAD = "bad", UNKNOWN = "unknown";
export const stateNames = { [GOOD]: "OK", [WATCH]: "watch", [BAD]: "act", [UNKNOWN]: "unknown" };

export function lagText(seconds) {
  if (seconds < 0.1) return Math.round(seconds * SECOND) + " ms";
  if (seconds < 10) return seconds.toFixed(1) + " s";
  return span(seconds * SECOND);
}

// checks rates a health report; each check explains its thresholds.
export function checks(h) {
  const all = [];
  const add = (name, value, state, words) => all.push({ name, value, state, words });
  const count = (name, n, judge, known) => {
    if (n === null || n === undefined) add(name, "\u2013", UNKNOWN, "Unknown here.");
    else add(name, grouped(n), ...judge(n), known);
  };
  const sent = (h.accepted ?? 0) + (h.refused ?? 0) + (h.unavailable ?? 0);
  if (h.lagSeconds === null || h.lagSeconds === undefined) add("Delay", "\u2013", UNKNOWN, "Time from an event's arrival until queries include it. Unknown: no event was loaded recently.");
  else {
    const lag = h.lagSeconds;
    const waiting = h.waiting ? ` ${grouped(h.waiting)} records are waiting, the oldest for this long.` : "";
    const words = (lag < 10 ? "Time from an event's arrival until queries include it. Normal below 10 s." : lag < 60 ? "Longer than 10 s: a burst, or a slow database. Act from 60 s." : "Longer than 60 s: loading is behind. Check the processor's log and the database.") + waiting;
    add("Delay", lagText(lag), lag < 10 ? GOOD : lag < 60 ? WATCH : BAD, words);
  }
  if (h.archiveLagSeconds !== null && h.archiveLagSeconds !== undefined) {
    const lag = h.archiveLagSeconds; // the archiver collects records for up to 60 s
    add("Archive delay", lagText(lag), lag < 120 ? GOOD : lag < 600 ? WATCH : BAD, lag < 120 ? "How long the oldest record has waited for the archive. One object collects up to 60 s." : "Longer than 120 s: archiving is behind. Check the archiver's log. Act from 600 s.");
  }
  count("Rejected", h.refused, (n) =>
    n === 0 ? [GOOD, "No event was rejected (4xx)."] : n > 0.01 * sent ? [WATCH, `${percent(n, sent)} of all events: more than 1 %. The responses contain the reason for each event.`] : [GOOD, `${percent(n, sent)} of all events; up to 1 % is normal. The responses contain the reasons.`]);
  count("Unavailable", h.unavailable, (n) =>
    n === 0 ? [GOOD, "No event got a 503."] : n > 0.01 * sent ? [BAD, `${percent(n, sent)} of all events found the stream throttled or unavailable. Add shards.`] : [WATCH, "Got a 503; clients retry. Act from 1 %."]);
  count("Quarantined", h.quarantined, (n) =>
    n === 0 ? [GOOD, "No event was quarantined."] : [BAD, "Accepted, but could not be loaded. They are in the archive under quarantine/."]);
  count("Duplicates", h.duplicates, (n) =>
    n === 0 ? [GOOD, "No event was received twice."] : [GOOD, "Received again after a retry; counted once."]);
  count("Expired", h.expired, (n) =>
    n === 0 ? [GOOD, "No event was too old for the warehouse."] : [WATCH, "Older than the warehouse's retention; they are only in the archive."]);
  count("Cache errors", h.cacheErrors, (n) =>
    n === 0 ? [GOOD, "Redis responds."] : [WATCH, "Redis failed; queries used PostgreSQL, which is slower."]);
  if (h.failed) add("Given up", grouped(h.failed), BAD, "Batches of records that failed for 24 hours of retries. They are in the archive under aws/lambda/.");
  if (h.missing) add("Missing", grouped(h.missing), BAD, "Accepted records lost to disk damage. The files damage-*.json in the data folder list them.");
  for (const [i, words] of (h.troubles ?? []).entries()) add(i ? `Trouble ${i + 1}` : "Trouble", "!", BAD, words);
  return all;
}

const marks = { [GOOD]: "M4 9.5 7.5 13 14 5.5", [WATCH]: "M9 4v6M9 13.2v.3", [BAD]: "M5 5l8 8M13 5l-8 8", [UNKNOWN]: "M5 9h8" };

function mark(state) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  node.setAttribute("viewBox", "0 0 18 18");
  node.setAttribute("class", "mark " + state);
  node.setAttribute("aria-hidden", "true");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", marks[state]);
  node.append(path);
  return node;
}

export class Health {
  got(h) {
    this.health = h;
    const all = checks(h);
    this.draw(all);
    const worst = [BAD, WATCH].map((s) => all.filter((c) => c.state === s)).find((list) => list.length);
    const verdict = $("verdict");
    const quiet = !worst && all[0].state === UNKNOWN; // no data to rate
    verdict.className = "verdict " + (worst ? worst[0].state : quiet ? UNKNOWN : GOOD);
    text(verdict, worst ? `Check: ${worst.map((c) => c.name.toLowerCase()).join(", ")}` : quiet ? "Quiet" : "All OK");
    text($("health-note"), `since ${when(Date.parse(h.since))}`);
    const lag = all[0];
    text($("delay"), lag.value);
    $("delay").dataset.state = lag.state;
    const age = h.lagAt ? Date.now() - Date.parse(h.lagAt) : 0;
    text($("delay-note"), lag.state === UNKNOWN ? "unknown" : age > 2 * MINUTE ? `as of ${when(Date.parse(h.lagAt))}` : "from arrival to this page");
  }

  draw(all) {
    const h = this.health;
    if (!this.flow) {
      this.flow = el("ol", { class: "flow" });
      this.list = el("ul", { class: "checks" });
      $("health").replaceChildren(this.flow, this.list);
    }
    const stages = [["Accepted", h.accepted, "by the API"], ["Archived", h.archived, "by the archiver"], ["Loaded", h.inserted, "into the warehouse"]];
    keyed(this.flow, stages, ([name]) => name, ([name, , where]) => el("li", {}, el("b"), el("span", {}, name, el("small", {}, " " + where))), (node, [, n]) => {
      text(node.firstChild, n === null || n === undefined ? "\u2013" : grouped(n));
    });
    keyed(this.list, all, (c) => c.name, (c) => {
      const parts = { amount: el("b"), state: el("span", { class: "hidden" }), words: el("p") };
      return Object.assign(el("li", {}, el("div", {}, el("h3", {}, c.name), parts.state, parts.amount), parts.words), parts, { shown: null });
    }, (node, c) => {
      text(node.amount, c.value);
      text(node.state, stateNames[c.state] + ":");
      text(node.words, c.words);
      if (node.shown === c.state) return;
      node.icon?.remove();
      node.prepend((node.icon = mark(c.state)));
      node.className = node.shown = c.state;
    });
  }

  unknown(why) {
    if (this.health) return;
    $("health").replaceChildren(el("p", { class: "nothing inline" }, why));
    text($("delay"), "\u2013");
    text($("delay-note"), "not known");
  }
}

const sources = { cache: "Redis", warehouse: "PostgreSQL", "cache+warehouse": "Redis and PostgreSQL" };

// Fresh is the table of responses with source and age.
export class Fresh {
  draw(feeds) {
    if (!this.rows) {
      this.rows = el("tbody");
      const heads = ["Data", "Source", "Complete until", "State"].map((h) => el("th", { scope: "col" }, h));
      $("fresh").replaceChildren(el("table", { class: "fresh" }, el("caption", { class: "hidden" }, "Source and age of each response"), el("thead", {}, el("tr", {}, heads)), this.rows));
    }
    const now = Date.now();
    keyed(this.rows, feeds.filter((f) => f.label && (f.data || f.error) && f.enabled()), (f) => f.name, (f) => {
      const parts = { name: el("th", { scope: "row" }, f.label), from: el("td"), age: el("td"), state: el("span", { class: "state" }) };
      return Object.assign(el("tr", {}, parts.name, parts.from, parts.age, el("td", {}, parts.state)), parts);
    }, (node, f) => {
      const a = f.data ?? {};
      const asOf = a.asOf ? Date.parse(a.asOf) : null;
      text(node.from, sources[a.source] ?? "\u2013");
      text(node.age, asOf === null ? (f.data && !a.stale ? "settled" : "\u2013") : now - asOf < 2 * SECOND ? "now" : span(now - asOf) + " ago");
      const state = f.error ? BAD : a.stale ? WATCH : GOOD;
      node.state.className = "state " + state;
      text(node.state, f.error ? "unavailable" : a.stale ? "stale" : "fresh");
      node.state.title = f.error?.message ?? "";
    });
  }
}

