// The choice of a range: one of several that end now, or two times.

import { el, show, text } from "./dom.js";
import { custom, DAY, fromInput, input, iso, longest, MINUTE } from "./time.js";

export class RangePicker {
  // make fills a fieldset; change is called with the selected range.
  constructor(fieldset, name, ranges, change) {
    Object.assign(this, { ranges, change });
    this.radios = [...ranges, { key: "custom", name: "Custom" }].map((r) =>
      el("input", { type: "radio", name, value: r.key, onchange: () => this.pick(r) }));
    const names = [...ranges.map((r) => r.name), "Custom"];
    fieldset.append(...this.radios.map((radio, i) => el("label", {}, radio, el("span", {}, names[i]))));
    this.from = el("input", { type: "datetime-local", class: "field" });
    this.to = el("input", { type: "datetime-local", class: "field" });
    this.wrong = el("p", { class: "small wrong", role: "alert" });
    this.form = el(
      "div", { class: "fields custom", hidden: true },
      el("label", {}, "From", this.from), el("label", {}, "To", this.to), el("button", { type: "button", class: "button", onclick: () => this.apply() }, "Apply"), this.wrong,
    );
    for (const field of [this.from, this.to]) {
      field.addEventListener("keydown", (e) => e.key === "Enter" && (e.preventDefault(), this.apply()));
    }
  }

  pick(range) {
    show(this.form, range.key === "custom");
    if (range.key !== "custom") return this.change(range);
    this.fill(this.range.from ?? Date.now() - this.range.span, this.range.to ?? Date.now());
  }

  fill(from, to) {
    this.from.value = input(from);
    this.to.value = input(to);
    text(this.wrong, "");
  }

  apply() {
    const from = fromInput(this.from.value), to = fromInput(this.to.value);
    const why = Number.isNaN(from) || Number.isNaN(to) ? "Enter both times." : from >= to ? "The end must be after the beginning." : to - from > longest ? `A range has at most ${longest / DAY} days.` : from > Date.now() ? "The range must begin in the past." : "";
    text(this.wrong, why);
    if (!why) this.change(custom(from, to));
  }

  // show shows a range, also one of a link.
  show(range) {
    this.range = range;
    for (const radio of this.radios) radio.checked = radio.value === range.key;
    show(this.form, range.key === "custom");
    if (range.key === "custom") this.fill(range.from, range.to);
  }
}

// readRange returns the range in the parameters of a link.
export function readRange(params, ranges, otherwise) {
  const from = Date.parse(params.get("from")), to = Date.parse(params.get("to"));
  if (from < to && to - from <= longest + MINUTE && from < Date.now()) return custom(from, to);
  return ranges.find((r) => r.key === params.get("range")) ?? otherwise;
}

// writeRange sets the parameters of a link.
export function writeRange(params, range) {
  for (const name of ["range", "from", "to"]) params.delete(name);
  if (range.key !== "custom") return params.set("range", range.key);
  params.set("from", iso(range.from));
  params.set("to", iso(range.to));
}
