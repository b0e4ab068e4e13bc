// A chart over time: bars, stacked or not, or a line. A tooltip shows the step
// under the pointer or chosen with the arrow keys; screen readers get it as the
// value of a slider. A table shows all values.

import { el, show, svg, table, text } from "./dom.js";
import { grouped, short } from "./number.js";
import { clock, date, DAY, HOUR, MINUTE, offset } from "./time.js";

const left = 44, right = 6, top = 22, bottom = 24;
const steps = [MINUTE, 2 * MINUTE, 5 * MINUTE, 10 * MINUTE, 15 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, DAY, 2 * DAY, 3 * DAY, 4 * DAY, 7 * DAY];

// scale returns round axis values that enclose the values.
export function scale(low, high, wanted = 4) {
  if (high <= low) high = low + 1;
  const rough = (high - low) / wanted;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((f) => f * power).find((s) => s >= rough * 0.999);
  const from = Math.floor(low / step) * step;
  const marks = [];
  for (let i = 0; from + i * step < high + step * 0.999; i++) marks.push(Number((from + i * step).toPrecision(12)));
  return { low: marks[0], high: marks.at(-1), marks };
}

// Chart draws into host. name is its accessible name; the unit is above the axis.
export class Chart {
  constructor(host, { name, height = 200, whole = false }) {
    Object.assign(this, { name, height, whole, at: null, width: 0, data: null });
    this.plot = svg("svg", { "aria-hidden": "true", focusable: "false" });
    this.tip = el("div", { class: "tip", "aria-hidden": "true", hidden: true });
    this.empty = el("p", { class: "nothing", hidden: true });
    this.box = el(
      "div",
      { class: "plot", tabindex: "0", role: "slider", "aria-label": name, "aria-orientation": "horizontal", "aria-valuemin": "0" },
      this.plot, this.tip, this.empty,
    );
    this.tables = el("div", { class: "scroll", tabindex: "-1" });
    this.details = el("details", { "aria-label": `Table of ${name}` }, el("summary", {}, "Show as table", el("span", { class: "hidden" }, `: ${name}`)), this.tables);
    host.replaceChildren(this.box, this.details);
    this.listen();
    new ResizeObserver(([entry]) => {
      const width = Math.floor(entry.contentRect.width);
      if (width !== this.width) {
        this.width = width;
        this.draw();
      }
    }).observe(this.box);
  }

  listen() {
    this.box.addEventListener("pointermove", (e) => this.look(this.indexAt(e.clientX)));
    this.box.addEventListener("pointerdown", (e) => this.look(this.indexAt(e.clientX)));
    this.box.addEventListener("pointerleave", () => document.activeElement === this.box || this.look(null));
    this.box.addEventListener("focus", () => this.box.matches(":focus-visible") && this.look(this.at ?? this.last));
    this.box.addEventListener("blur", () => this.look(null));
    this.box.addEventListener("keydown", (e) => {
      const here = this.at ?? this.last;
      const to = {
        ArrowLeft: here - 1, ArrowDown: here - 1, ArrowRight: here + 1, ArrowUp: here + 1,
        PageUp: here + 10, PageDown: here - 10, Home: 0, End: this.last,
      }[e.key];
      if (e.key === "Escape") this.look(null);
      if (to === undefined) return;
      e.preventDefault();
      this.look(Math.max(0, Math.min(this.last, to)));
    });
    this.details.addEventListener("toggle", () => this.tabulate());
  }

  get last() {
    return Math.max(0, (this.shown?.times.length ?? 1) - 1);
  }

  indexAt(x) {
    const box = this.box.getBoundingClientRect();
    const inside = (x - box.left - left) / (this.width - left - right);
    const index = Math.floor(inside * this.shown?.times.length);
    return inside >= 0 && inside < 1 ? index : null;
  }

  // update takes {times, step, series: [{name, color, values}], kind, unit, open,
  // empty, stepName, format, label, table, spans}. Values may be null. open is true if
  // the last step has not ended. spans are marked periods: {from, to, name}.
  update(data) {
    this.data = data;
    this.draw();
    this.tabulate();
  }

  // merged adds up adjacent steps if a bar would be too thin to see.
  merged() {
    const d = this.data;
    const room = this.width - left - right;
    let k = 1;
    for (const f of [1, 2, 3, 5, 6, 10, 12, 15, 30]) {
      k = f;
      if (room / Math.ceil(d.times.length / f) >= 2.6) break;
    }
    if (k === 1 || d.kind === "line" || d.fixed) return d;
    const first = d.times.findIndex((t) => t % (k * d.step) === 0);
    const starts = [];
    for (let i = first > 0 ? first - k : 0; i < d.times.length; i += k) starts.push(i);
    const sum = (values, i) => values.slice(Math.max(0, i), i + k).reduce((a, b) => a + (b ?? 0), 0);
    return {
      ...d, step: d.step * k, times: starts.map((i) => d.times[0] + i * d.step),
      series: d.series.map((s) => ({ ...s, values: starts.map((i) => sum(s.values, i)) })),
    };
  }

  draw() {
    if (!this.data || this.width < 80) return;
    const d = (this.shown = this.merged());
    const { width, height } = this;
    const n = d.times.length;
    let low = 0, high = 0;
    for (let i = 0; i < n; i++) {
      let up = 0, down = 0;
      for (const s of d.series) {
        const v = s.values[i] ?? 0;
        if (d.kind === "line") {
          up = Math.max(up, v);
          down = Math.min(down, v);
        } else if (v > 0) up += v;
        else down += v;
      }
      high = Math.max(high, up);
      low = Math.min(low, down);
    }
    const nothing = high === 0 && low === 0 && !d.series.some((s) => d.kind === "line" && s.values.some((v) => v !== null));
    const axis = scale(low, nothing ? 1 : this.whole ? Math.max(high, 4) : high);
    const marks = nothing ? [0] : axis.marks;
    const y = (v) => top + (height - top - bottom) * (1 - (v - axis.low) / (axis.high - axis.low));
    const wide = (width - left - right) / n;
    const x = (i) => left + i * wide;
    this.geometry = { x, y, wide, axis };
    const parts = marks.map((m) => svg("path", { class: m === 0 ? "base" : "grid", d: `M${left} ${Math.round(y(m)) + 0.5}H${width - right}` }));
    parts.push(svg("text", { class: "unit", x: 0, y: 10 }, d.unit(d.step)));
    parts.push(...marks.map((m) => svg("text", { class: "axis", x: left - 8, y: y(m) + 4, "text-anchor": "end" }, short(m))));
    parts.push(...this.timeMarks(d, x, wide));
    parts.push(...this.marked(d, x));
    this.band = svg("rect", { class: "band", y: top, height: height - top - bottom, width: Math.max(wide, 1), visibility: "hidden" });
    parts.push(this.band, ...(d.kind === "line" ? this.lines(d, x, y, wide) : this.bars(d, x, y, wide)));
    this.plot.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.plot.setAttribute("height", height);
    this.plot.replaceChildren(...parts);
    show(this.empty, nothing);
    text(this.empty, d.empty ?? "Nothing in this range");
    this.box.setAttribute("aria-valuemax", this.last);
    this.look(this.at === null ? null : Math.min(this.at, this.last), true);
  }

  // marked draws the marked periods behind the values.
  marked(d, x) {
    const first = d.times[0], all = d.times.length * d.step;
    const at = (t) => x((Math.max(0, Math.min(all, t - first)) / d.step));
    return (d.spans ?? []).filter((s) => s.to > first && s.from < first + all).flatMap((s) => {
      const from = at(s.from), width = Math.max(2, at(s.to) - from);
      return [svg("rect", { class: "span", x: from, y: top - 6, width, height: this.height - top - bottom + 6 }), svg("rect", { class: "span top", x: from, y: top - 6, width, height: 4 })];
    });
  }

  bars(d, x, y, wide) {
    const n = d.times.length;
    const gap = wide > 14 ? Math.min(6, wide * 0.22) : wide > 4 ? 1 : 0;
    const up = new Array(n).fill(0), down = new Array(n).fill(0);
    const parts = [];
    for (const s of d.series) {
      let whole = "", open = "";
      for (let i = 0; i < n; i++) {
        const v = s.values[i];
        if (!v) continue;
        const base = v > 0 ? up : down;
        const y0 = y(base[i]), y1 = y((base[i] += v));
        const bar = `M${(x(i) + gap / 2).toFixed(1)} ${y0.toFixed(1)}V${y1.toFixed(1)}h${(wide - gap).toFixed(1)}V${y0.toFixed(1)}z`;
        if (d.open && i === n - 1) open += bar;
        else whole += bar;
      }
      const crisp = gap ? null : "crispEdges"; // no gaps between bars
      if (whole) parts.push(svg("path", { class: "bar " + s.color, d: whole, "shape-rendering": crisp }));
      if (open) parts.push(svg("path", { class: "bar open " + s.color, d: open }));
    }
    return parts;
  }

  lines(d, x, y, wide) {
    const parts = [];
    for (const s of d.series) {
      let line = "", before = false;
      const dots = [];
      s.values.forEach((v, i) => {
        if (v === null || v === undefined) return void (before = false);
        const at = `${(x(i) + wide / 2).toFixed(1)} ${y(v).toFixed(1)}`;
        line += (before ? "L" : "M") + at;
        before = true;
        dots.push(`M${at}h0`);
      });
      parts.push(svg("path", { class: "line " + s.color, d: line }), svg("path", { class: "dots " + s.color, d: dots.join("") }));
    }
    return parts;
  }

  timeMarks(d, x, wide) {
    const space = d.fixed ? 48 : 64;
    const step = steps.find((s) => s >= d.step && (s / d.step) * wide >= space) ?? DAY * 7;
    const ends = d.utc ? [0, 0] : [offset(d.times[0]), offset(d.times.at(-1))];
    const off = (t) => (ends[0] === ends[1] ? ends[0] : offset(t)); // the clock may change in the range
    const parts = [];
    d.times.forEach((t, i) => {
      if ((t + off(t)) % step !== 0) return;
      const centre = d.step >= DAY || d.kind === "line" ? x(i) + wide / 2 : x(i);
      if (centre < left - 2 || centre > this.width - 18) return;
      const name = d.label ? d.label(t) : step >= DAY || clock(t) === "00:00" ? date(t).slice(0, -4) : clock(t);
      parts.push(svg("path", { class: "mark", d: `M${Math.round(centre) + 0.5} ${this.height - bottom}v4` }));
      parts.push(svg("text", { class: "axis", x: centre, y: this.height - 6, "text-anchor": "middle" }, name));
    });
    return parts;
  }

  // look moves the tooltip to a step, or hides it.
  look(index, again = false) {
    if (!this.shown || (index === this.at && !again)) return;
    this.at = index;
    const d = this.shown;
    const i = index ?? this.last;
    const lines = this.says(d, i);
    this.box.setAttribute("aria-valuenow", i);
    this.box.setAttribute("aria-valuetext", [lines.head, ...lines.rows.map((r) => `${r.name} ${r.text}`)].join(", "));
    show(this.tip, index !== null);
    this.band.setAttribute("visibility", index === null ? "hidden" : "visible");
    if (index === null) return;
    this.band.setAttribute("x", this.geometry.x(i));
    this.tip.replaceChildren(
      el("p", {}, lines.head),
      ...lines.rows.map((r) => el("div", {}, el("i", { class: "swatch " + (r.color ?? "none") }), el("span", {}, r.name), el("b", {}, r.text))),
    );
    const centre = this.geometry.x(i) + this.geometry.wide / 2;
    const size = this.tip.offsetWidth;
    const to = centre + 14 + size > this.width ? Math.max(0, centre - 14 - size) : centre + 14;
    this.tip.style.setProperty("transform", `translateX(${Math.round(to)}px)`);
  }

  says(d, i) {
    const format = d.format ?? ((v) => grouped(v));
    const t = d.times[i];
    const head = (d.headOf ? d.headOf(t) : moment(t, d.step)) + (d.open && i === d.times.length - 1 ? ", so far" : "");
    const rows = d.series.map((s) => ({ name: s.name, color: s.color, value: s.values[i], text: s.values[i] === null || s.values[i] === undefined ? "\u2013" : format(s.values[i], s, i, d) }));
    const fired = [...new Set((d.spans ?? []).filter((s) => s.to > t && s.from < t + d.step).map((s) => s.name))];
    if (fired.length) rows.push({ name: "Alert", text: fired.join(", "), value: 1, alert: true });
    if (d.series.length > 1 && d.kind !== "line") {
      const shown = rows.filter((r) => r.value).reverse();
      return { head, rows: [{ name: "All", text: grouped(rows.reduce((a, r) => a + (r.alert ? 0 : r.value ?? 0), 0)) }, ...shown] };
    }
    return { head, rows };
  }

  tabulate() {
    if (!this.details.open || !this.data) return;
    const d = this.shown ?? this.data;
    const rows = d.times.map((t, i) => {
      const said = this.says(d, i);
      const cell = new Map(said.rows.map((r) => [r.name, r.text]));
      const names = d.series.length > 1 && d.kind !== "line" ? ["All", ...d.series.map((s) => s.name)] : d.series.map((s) => s.name);
      return [said.head, ...names.map((name) => cell.get(name) ?? "0")];
    });
    const heads = ["Time", ...(d.series.length > 1 && d.kind !== "line" ? ["All"] : []), ...d.series.map((s) => s.name)];
    this.tables.replaceChildren(table(this.name, heads, rows.reverse()));
  }
}

// moment formats a step's time.
function moment(t, step) {
  if (step >= DAY) return date(t);
  const far = Date.now() - t > 20 * HOUR ? date(t) + " " : "";
  return step <= MINUTE ? far + clock(t) : `${far}${clock(t)} to ${clock(t + step)}`;
}

// Spark is a small line without axes.
export class Spark {
  constructor(host, most = 60) {
    this.most = most;
    this.values = [];
    this.area = svg("path", { class: "area" });
    this.line = svg("path", { class: "line c0" });
    host.replaceChildren(svg("svg", { viewBox: "0 0 120 28", preserveAspectRatio: "none", "aria-hidden": "true" }, this.area, this.line));
  }

  push(value) {
    this.values = [...this.values, value].slice(-this.most);
    const high = Math.max(1, ...this.values);
    const at = (v, i) => `${(120 - (this.values.length - 1 - i) * (120 / (this.most - 1))).toFixed(1)} ${(26 - 24 * (v / high)).toFixed(1)}`;
    const line = "M" + this.values.map(at).join("L");
    this.line.setAttribute("d", line);
    this.area.setAttribute("d", `${line}V28H${(120 - (this.values.length - 1) * (120 / (this.most - 1))).toFixed(1)}z`);
  }
}

