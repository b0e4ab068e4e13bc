// Events by time and type: the live response merged into a longer one, the chart,
// the type filter, the table, and the rate.

import { Chart, Spark } from "./chart.js";
import { Colors } from "./color.js";
import { $, el, keyed, show, text } from "./dom.js";
import { grouped, percent, rate } from "./number.js";
import { bounds, floor, MINUTE, SECOND, stepName } from "./time.js";

const drawnTypes = 7;
const firstChips = 10, firstRows = 10;
const window_ = 10 * SECOND; // period of the rate

export const OTHER = "__other__";
export const typeName = (type) => (type === OTHER ? "all other types" : type);

// Series is a response by time and type.
export class Series {
  constructor(answer) {
    this.from = Date.parse(answer.from);
    this.to = Date.parse(answer.to);
    this.step = answer.stepSeconds * SECOND;
    this.counts = new Map(); // time → type → count
    for (const p of answer.points) {
      const at = Date.parse(p.at);
      let types = this.counts.get(at);
      if (!types) this.counts.set(at, (types = new Map()));
      types.set(p.eventType, p.count);
    }
  }
}

// combine returns the counts by type for each step of a range: from the live
// minutes if they cover the step, else from the longer response.
export function combine(base, live, range, now) {
  const { from, to } = bounds(range, live ? live.to - MINUTE : now, range.step);
  const times = [];
  for (let t = from; t < to; t += range.step) times.push(t);
  const counts = times.map((t) => {
    if (!live || range.from !== undefined || t < live.from || range.step > 5 * MINUTE) return base?.counts.get(t) ?? new Map();
    const sum = new Map();
    for (let m = t; m < t + range.step; m += MINUTE) {
      for (const [type, n] of live.counts.get(m) ?? []) sum.set(type, (sum.get(type) ?? 0) + n);
    }
    return sum;
  });
  return { times, counts };
}

// Rate computes events per second from the differences of successive totals.
export class Rate {
  constructor() {
    this.reset();
  }

  reset() {
    this.before = null;
    this.total = 0;
    this.samples = [];
  }

  add(live, now) {
    if (this.before && this.before !== live) {
      let more = 0;
      for (const [at, types] of live.counts) {
        if (at < this.before.from) continue;
        for (const [type, n] of types) more += n - (this.before.counts.get(at)?.get(type) ?? 0);
      }
      this.total += Math.max(0, more);
    }
    this.before = live;
    this.samples.push({ now, total: this.total });
    while (this.samples.length > 2 && this.samples[1].now <= now - window_) this.samples.shift();
  }

  get value() {
    const first = this.samples[0], last = this.samples.at(-1);
    return last && last.now - first.now >= 1500 ? (last.total - first.total) / ((last.now - first.now) / SECOND) : null;
  }
}

// Events is the events section of the page.
export class Events {
  constructor(state) {
    this.state = state;
    this.rate = new Rate();
    this.colors = new Colors();
    this.chips = []; // types in order of appearance
    this.all = this.allRows = false;
    this.spans = []; // times in which alerts fired
    this.base = this.live = null;
    this.spark = new Spark($("rate-line"));
    this.makeChips();
  }

  gotLive(answer, same) {
    if (!same || !this.live) this.live = new Series(answer);
    this.rate.add(this.live, performance.now());
    const value = this.rate.value;
    if (value !== null) {
      text($("rate"), rate(value));
      this.spark.push(value);
    }
    if (!same) this.draw();
  }

  gotBase(answer, same) {
    if (same && this.base) return;
    this.base = new Series(answer);
    this.draw();
  }

  // ready reports whether the selected range is loaded.
  get ready() {
    const { range } = this.state;
    if (range.key === "15m") return Boolean(this.live);
    if (range.from !== undefined) return this.base?.step === range.step && this.base.from === bounds(range, Date.now(), range.step).from;
    return Boolean(this.base) && this.base.step === range.step && this.base.to - this.base.from > range.span / 2;
  }

  draw() {
    if (!this.ready) return;
    const { range, types: chosen } = this.state;
    const { times, counts } = combine(this.base, this.live, range, Date.now());
    const totals = new Map();
    for (const types of counts) for (const [type, n] of types) totals.set(type, (totals.get(type) ?? 0) + n);
    const ranked = [...totals].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
    const drawn = ranked.filter(([type]) => !chosen.size || chosen.has(type)).map(([type]) => type);
    const shown = this.colors.choose(drawn, drawnTypes);
    const rest = drawn.filter((type) => !shown.has(type));
    const series = [...shown].map(([type, color]) => ({ name: typeName(type), color, values: counts.map((c) => c.get(type) ?? 0) }));
    if (rest.length) {
      series.push({ name: rest.length === 1 ? typeName(rest[0]) : `${rest.length} more types`, color: "cx", values: counts.map((c) => rest.reduce((a, type) => a + (c.get(type) ?? 0), 0)) });
    }
    this.chart ??= new Chart($("events-chart"), { name: "Events by time and type", height: 260, whole: true });
    this.chart.update({
      times, step: range.step, series: series.length ? series : [{ name: "Events", color: "c0", values: times.map(() => 0) }],
      kind: "bars", open: times.at(-1) + range.step > Date.now(), spans: this.spans, unit: (step) => "events per " + stepName(step),
      empty: chosen.size ? "No events of the selected types in this range" : "No events in this range",
    });
    text($("events-head"), range.step === MINUTE ? "Events per minute" : "Events over time");
    this.drawChips(ranked);
    this.drawTable(ranked);
  }

  makeChips() {
    const box = $("types");
    box.keyedFirst = box.querySelector("span");
    this.more = el("button", { type: "button", class: "chip-button", hidden: true, onclick: () => this.toggleAll() });
    this.clear = el("button", { type: "button", class: "chip-button", hidden: true, onclick: () => this.state.choose(new Set()) }, "Show all");
    box.append(this.more, this.clear);
  }

  toggleAll() {
    this.all = !this.all;
    this.draw();
  }

  drawChips(ranked) {
    const chosen = this.state.types;
    for (const type of [...ranked.map(([type]) => type), ...chosen]) if (!this.chips.includes(type)) this.chips.push(type);
    const here = new Set(ranked.map(([type]) => type));
    const known = this.chips.filter((type) => here.has(type) || chosen.has(type));
    const shown = this.all ? known : known.filter((type, i) => i < firstChips || chosen.has(type));
    keyed($("types"), shown, (type) => type, (type) => this.chip(type), (node, type) => {
      const input = node.firstChild;
      if (input.checked !== chosen.has(type)) input.checked = chosen.has(type);
      const swatch = "swatch " + (chosen.size && !chosen.has(type) ? "none" : this.colors.of(type));
      if (node.swatch.className !== swatch) node.swatch.className = swatch;
    });
    const hidden = known.length - shown.length;
    show(this.more, hidden > 0 || (this.all && known.length > firstChips));
    text(this.more, this.all ? "Fewer" : `${hidden} more`);
    const focused = document.activeElement === this.clear;
    show(this.clear, chosen.size > 0);
    if (focused && this.clear.hidden) $("types").querySelector("input")?.focus();
  }

  chip(type) {
    const swatch = el("i", { class: "swatch" });
    const input = el("input", { type: "checkbox", value: type, onchange: (e) => this.pick(type, e.target.checked) });
    const node = el("label", { class: "chip" }, input, swatch, el("span", {}, typeName(type)));
    node.swatch = swatch;
    return node;
  }

  pick(type, on) {
    const types = new Set(this.state.types);
    if (on) types.add(type);
    else types.delete(type);
    this.state.choose(types);
  }

  drawTable(ranked) {
    const chosen = this.state.types;
    const sum = ranked.reduce((a, [, n]) => a + n, 0);
    if (!this.rows) {
      this.rows = el("tbody");
      const heads = ["Type", "Share", "Events"].map((h, i) => el("th", { scope: "col", class: i ? "number" : null }, h));
      this.whole = el("button", { type: "button", class: "button", hidden: true, onclick: () => this.toggleRows() });
      $("types-table").replaceChildren(el("table", { class: "bars" }, el("caption", { class: "hidden" }, "Event types in the selected range"), el("thead", {}, el("tr", {}, heads)), this.rows), this.whole);
    }
    keyed(this.rows, this.allRows ? ranked : ranked.slice(0, firstRows), ([type]) => type, () => row(), (node, [type, n]) => {
      text(node.name, typeName(type));
      text(node.share, percent(n, sum));
      text(node.count, grouped(n));
      node.bar.className = "share " + this.colors.of(type);
      node.bar.style.setProperty("width", `${sum ? (100 * n) / ranked[0][1] : 0}%`);
      node.classList.toggle("off", chosen.size > 0 && !chosen.has(type));
    });
    show(this.whole, ranked.length > firstRows);
    text(this.whole, this.allRows ? "Show fewer" : `Show all ${grouped(ranked.length)} types`);
    text($("types-note"), sum ? `${grouped(sum)} in ${this.state.range.name}` : `none in ${this.state.range.name}`);
  }

  toggleRows() {
    this.allRows = !this.allRows;
    this.draw();
  }
}

// row is a table's row with a bar behind its name.
export function row() {
  const bar = el("span", { class: "share" });
  const name = el("span", { class: "name" });
  const share = el("td", { class: "number soft" });
  const count = el("td", { class: "number" });
  return Object.assign(el("tr", {}, el("th", { scope: "row" }, bar, name), share, count), { bar, name, share, count });
}

export const liveURL = (now) => `/metrics/events?from=${new Date(floor(now - 15 * MINUTE, 5 * MINUTE)).toISOString().slice(0, 19)}Z&step=1m`;
