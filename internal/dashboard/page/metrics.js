// Declared metrics: one card each, with the total over the selected range, a chart
// and the largest values.

import { Chart } from "./chart.js";
import { OTHER, row } from "./events.js";
import { $, el, keyed, show, text } from "./dom.js";
import { decimal, exact, grouped, less, near, percent, plus, zero } from "./number.js";
import { bounds, go, iso, SECOND, stepName, when } from "./time.js";

const names = { sum: "Sum", count: "Count", min: "Min", max: "Max" };
const most = 6;

// take adds a point's measure to a total.
const fold = {
  sum: (have, v) => plus(have ?? zero, v),
  count: (have, v) => plus(have ?? zero, v),
  min: (have, v) => (have === undefined || less(v, have) ? v : have),
  max: (have, v) => (have === undefined || less(have, v) ? v : have),
};

const valueName = (values) =>
  values === undefined ? "all" : values.map((v) => (v === OTHER ? "all others" : v === "" ? "(empty)" : v)).join(" \u00b7 ");

const fieldName = (path) => path.replace(/^properties\./, "");

export function metricURL(name, range, now) {
  const { from, to } = bounds(range, now, range.coarse);
  return `/metrics/${encodeURIComponent(name)}?from=${iso(from)}${range.from === undefined ? "" : `&to=${iso(to)}`}&step=${go(range.coarse)}`;
}

export class Metric {
  constructor(definition, state) {
    Object.assign(this, { definition, state, visible: true, answer: null });
    const { name, sum, min, max } = definition;
    this.measures = ["sum", "count", "min", "max"].filter((m) => m === "count" || { sum, min, max }[m]);
    this.measure = this.measures[0];
    const id = "metric-" + name;
    this.total = el("p", { class: "big" }, el("span", { class: "bone" }));
    this.note = el("p", { class: "small note", hidden: true });
    this.plot = el("div", { class: "chart" }, el("div", { class: "bone block" }));
    this.tops = el("div");
    this.choice = el("fieldset", { class: "choice small" }, el("legend", { class: "hidden" }, `Measure of ${name}`));
    for (const m of this.measures) {
      const input = el("input", { type: "radio", name: id + "-measure", value: m, checked: m === this.measure, onchange: () => this.pick(m) });
      this.choice.append(el("label", {}, input, el("span", {}, names[m])));
    }
    this.node = el(
      "section", { class: "card metric", "aria-labelledby": id },
      el("div", { class: "head" }, el("h2", { id }, name), el("span", { class: "space" }), this.measures.length > 1 ? this.choice : null),
      el("p", { class: "small" }, this.about()), this.total, this.plot, this.tops, this.note,
    );
    new IntersectionObserver(([entry]) => (this.visible = entry.isIntersecting), { rootMargin: "200px" }).observe(this.node);
  }

  about() {
    const { eventType, field, by } = this.definition;
    const of = eventType ? `${eventType} events` : "all events";
    const what = field ? `${fieldName(field)} of ${of}` : of;
    return by?.length ? `${what}, by ${by.map(fieldName).join(" and ")}` : what;
  }

  get every() {
    return (this.visible ? 10 : 60) * SECOND;
  }

  pick(measure) {
    this.measure = measure;
    this.draw();
  }

  got(answer, same) {
    if (same && this.answer) return;
    this.answer = answer;
    this.draw();
  }

  draw() {
    const a = this.answer, m = this.measure;
    if (!a) return;
    const step = a.stepSeconds * SECOND, to = Date.parse(a.to);
    const times = [], at = new Map(), dims = new Map();
    for (let t = Date.parse(a.from); t < to; t += step) times.push(t);
    let total;
    for (const p of a.points) {
      if (p[m] === undefined) continue;
      const v = decimal(p[m]), t = Date.parse(p.at), key = valueName(p.values);
      at.set(t, fold[m](at.get(t), v));
      dims.set(key, fold[m](dims.get(key), v));
      total = fold[m](total, v);
    }
    const adds = m === "sum" || m === "count";
    text(this.total, total === undefined ? (adds ? "0" : "\u2013") : exact(total));
    this.total.classList.toggle("long", this.total.textContent.length > 14);
    this.chart ??= new Chart(this.plot, { name: this.definition.name + " by time", height: 170 });
    this.chart.update({
      times, step, fixed: true, open: to > Date.now(), kind: adds ? "bars" : "line",
      series: [{ name: names[m], color: "c0", values: times.map((t) => (at.has(t) ? near(at.get(t)) : adds ? 0 : null)) }],
      unit: (s) => `${names[m].toLowerCase()} per ${stepName(s)}`,
      format: (v, s, i) => (at.has(times[i]) ? exact(at.get(times[i])) : "0"),
    });
    this.drawTops(dims, total, adds);
    this.drawNote(a);
  }

  drawTops(dims, total, adds) {
    if (!this.definition.by?.length || (dims.size < 2 && dims.has("all"))) return;
    if (!this.rows) {
      this.rows = el("tbody");
      this.columns = el("tr");
      this.tops.replaceChildren(el("table", { class: "bars" }, el("caption", { class: "hidden" }, `Top values of ${this.definition.name}`), el("thead", {}, this.columns), this.rows));
    }
    const heads = [this.definition.by.map(fieldName).join(" \u00b7 "), adds ? "Share" : "", names[this.measure]];
    this.columns.replaceChildren(...heads.map((h, i) => el("th", { scope: "col", class: i ? "number" : null }, h)));
    const low = this.measure === "min";
    const ranked = [...dims].sort((a, b) => (less(b[1], a[1]) === low ? 1 : -1)).slice(0, most);
    const all = total === undefined ? 0 : near(total);
    const largest = Math.max(...ranked.map(([, v]) => Math.abs(near(v))), 0);
    const shares = adds && all > 0 && [...dims.values()].every((v) => v.units >= 0n);
    keyed(this.rows, ranked, ([key]) => key, () => row(), (node, [key, v]) => {
      text(node.name, key);
      text(node.share, shares ? percent(near(v), all) : "");
      text(node.count, exact(v));
      node.count.classList.toggle("long", node.count.textContent.length > 18);
      node.bar.className = "share c0";
      node.bar.style.setProperty("width", `${largest ? Math.max(0, (100 * near(v)) / largest) : 0}%`);
    });
  }

  drawNote(a) {
    const says = [];
    if (a.since && Date.parse(a.since) > Date.parse(a.from)) says.push(`Counted since ${when(Date.parse(a.since))}.`);
    if (a.skipped > 0) says.push(`${grouped(a.skipped)} ${a.skipped === 1 ? "event was" : "events were"} skipped: ${fieldName(this.definition.field ?? "a field")} was missing or not a number.`);
    text(this.note, says.join(" "));
    show(this.note, says.length > 0);
  }
}

export function showMetrics(definitions, state) {
  const cards = definitions.map((d) => new Metric(d, state));
  $("metrics").replaceChildren(...cards.map((c) => c.node));
  show($("metrics"), cards.length > 0);
  return cards;
}
