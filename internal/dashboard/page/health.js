// The pipeline's health in plain words, and where each number comes from.

import { $, el, keyed, text } from "./dom.js";
import { grouped, percent } from "./number.js";
import { MINUTE, SECOND, span, when } from "./time.js";

const GOOD = "good", WATCH = "watch", BAD = "bad", UNKNOWN = "unknown";
export const stateNames = { [GOOD]: "well", [WATCH]: "watch", [BAD]: "act", [UNKNOWN]: "not known" };

export function lagText(seconds) {
  if (seconds < 0.1) return Math.round(seconds * SECOND) + " ms";
  if (seconds < 10) return seconds.toFixed(1) + " s";
  return span(seconds * SECOND);
}

// checks judges a health; the rules are told beside each.
export function checks(h) {
  const all = [];
  const add = (name, value, state, words) => all.push({ name, value, state, words });
  const count = (name, n, judge, known) => {
    if (n === null || n === undefined) add(name, "\u2013", UNKNOWN, "Not known here.");
    else add(name, grouped(n), ...judge(n), known);
  };
  const sent = (h.accepted ?? 0) + (h.refused ?? 0) + (h.unavailable ?? 0);
  if (h.lagSeconds === null || h.lagSeconds === undefined) add("Delay", "\u2013", UNKNOWN, "From an event's arrival to its place in the numbers. Not known: nothing was loaded lately.");
  else {
    const lag = h.lagSeconds;
    const waiting = h.waiting ? ` ${grouped(h.waiting)} records wait, the oldest for this long.` : "";
    const words = (lag < 10 ? "Events are in the numbers this long after they arrive. Well below 10 s." : lag < 60 ? "Longer than 10 s: a burst, or a slow database. From 60 s on act." : "Longer than 60 s: loading is behind. Look at the processor's log and the database.") + waiting;
    add("Delay", lagText(lag), lag < 10 ? GOOD : lag < 60 ? WATCH : BAD, words);
  }
  if (h.archiveLagSeconds !== null && h.archiveLagSeconds !== undefined) {
    const lag = h.archiveLagSeconds; // the archiver gathers records for up to 60 s
    add("Archive delay", lagText(lag), lag < 120 ? GOOD : lag < 600 ? WATCH : BAD, lag < 120 ? "How long the oldest record waits for the archive. Up to 60 s are gathered into one object." : "Longer than 120 s: archiving is behind. Look at the archiver's log. From 600 s on act.");
  }
  count("Refused", h.refused, (n) =>
    n === 0 ? [GOOD, "No event was answered with 4xx."] : n > 0.01 * sent ? [WATCH, `${percent(n, sent)} of what was sent: more than 1 %. The answers say what is wrong with each event.`] : [GOOD, `${percent(n, sent)} of what was sent; up to 1 % is usual. The senders were told why.`]);
  count("Unavailable", h.unavailable, (n) =>
    n === 0 ? [GOOD, "No event was answered with 503."] : n > 0.01 * sent ? [BAD, `${percent(n, sent)} of what was sent found the stream busy or away. Add shards.`] : [WATCH, "Answered with 503; senders try again. Act from 1 % on."]);
  count("Quarantined", h.quarantined, (n) =>
    n === 0 ? [GOOD, "No event had to be set aside."] : [BAD, "Accepted, but could not be loaded. They are kept below quarantine/ in the archive."]);
  count("Duplicates", h.duplicates, (n) =>
    n === 0 ? [GOOD, "No event came twice."] : [GOOD, "Came again after a retry, and were counted once."]);
  count("Expired", h.expired, (n) =>
    n === 0 ? [GOOD, "No event was too old for the warehouse."] : [WATCH, "Older than what the warehouse keeps; they are in the archive only."]);
  count("Cache errors", h.cacheErrors, (n) =>
    n === 0 ? [GOOD, "Redis answers."] : [WATCH, "Redis failed; PostgreSQL answered instead, more slowly."]);
  if (h.failed) add("Given up", grouped(h.failed), BAD, "Batches of records that failed alone for 24 hours of tries. They are kept below aws/lambda/ in the archive.");
  if (h.missing) add("Missing", grouped(h.missing), BAD, "Accepted records that damage to the disk destroyed. The files damage-*.json in the data folder list them.");
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
    const quiet = !worst && all[0].state === UNKNOWN; // nothing that could be judged
    verdict.className = "verdict " + (worst ? worst[0].state : quiet ? UNKNOWN : GOOD);
    text(verdict, worst ? `Look at: ${worst.map((c) => c.name.toLowerCase()).join(", ")}` : quiet ? "Quiet" : "All well");
    text($("health-note"), `since ${when(Date.parse(h.since))}`);
    const lag = all[0];
    text($("delay"), lag.value);
    $("delay").dataset.state = lag.state;
    const age = h.lagAt ? Date.now() - Date.parse(h.lagAt) : 0;
    text($("delay-note"), lag.state === UNKNOWN ? "not known" : age > 2 * MINUTE ? `as of ${when(Date.parse(h.lagAt))}` : "from arrival to these numbers");
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

// Fresh is the table of answers.
export class Fresh {
  draw(feeds) {
    if (!this.rows) {
      this.rows = el("tbody");
      const heads = ["Numbers", "From", "Complete until", "State"].map((h) => el("th", { scope: "col" }, h));
      $("fresh").replaceChildren(el("table", { class: "fresh" }, el("caption", { class: "hidden" }, "Source and age of each answer"), el("thead", {}, el("tr", {}, heads)), this.rows));
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
      text(node.state, f.error ? "no answer" : a.stale ? "stale" : "fresh");
      node.state.title = f.error?.message ?? "";
    });
  }
}

