// A question about users: its form, the request, and the answer with its table, its file,
// and the commands that give the same answer.

import { command, curl, query, sessionNote } from "./copy.js";
import { csv, download } from "./csv.js";
import { el, show, table, text } from "./dom.js";
import { get, Refused } from "./feed.js";
import { grouped, percent } from "./number.js";
import { plain } from "./recent.js";
import { RangePicker, readRange, writeRange } from "./range.js";
import { bounds, exactly, iso, MINUTE, questionRanges, when } from "./time.js";

const patience = 40000; // milliseconds; the API's own limit is 29 seconds
const sources = { cache: "Redis", warehouse: "PostgreSQL" };

// explain describes a failure in words.
function explain(error) {
  if (!(error instanceof Refused)) return { head: "No answer.", words: error.name === "AbortError" ? "The request took too long." : "The dashboard's server does not respond." };
  const words = error.message || `The API returned ${error.status}.`;
  switch (error.status) {
    case 400: return { head: "This question is not valid.", words };
    case 401: case 403: return { head: "Not allowed.", words: `${words} The credentials need the policy in the stack's output ReadMetricsPolicyArn.` };
    case 404: return { head: "This stack does not answer this question.", words: `${words} Update the stack with \u201cstreamctl deploy\u201d.` };
    case 422: return { head: "This question is too large.", words };
    case 503: return { head: "No answer now.", words: `${words} Try again${error.retryAfter ? ` in ${error.retryAfter} s` : ""}.` };
    default: return { head: "No answer.", words };
  }
}

export class Question {
  // panel is the tab's element. app has about(), types() and route.
  constructor(panel, definition, app) {
    Object.assign(this, { definition, app, asked: null, turn: 0 });
    const { name, title } = definition;
    this.fields = definition.fields.map((f) => this.field(f));
    const choice = el("fieldset", { class: "choice" }, el("legend", { class: "hidden" }, "Time range"));
    this.picker = new RangePicker(choice, "range-" + name, questionRanges, (range) => {
      this.range = range;
      this.submit();
    });
    this.types = el("div", { class: "chips add", role: "group", "aria-label": "Add an event type", hidden: true });
    this.form = el(
      "form", { class: "ask", onsubmit: (e) => (e.preventDefault(), this.submit()) },
      el("div", { class: "fields" }, this.fields.map((f) => f.node)), this.types,
      el("div", { class: "head" }, choice, el("span", { class: "space" }), el("button", { class: "button main" }, "Show")), this.picker.form,
    );
    this.status = el("div", { role: "status", class: "said" });
    this.result = el("div", { class: "result" });
    this.more = el("div", { class: "more", hidden: true });
    panel.replaceChildren(el(
      "section", { class: "card", "aria-labelledby": name + "-head" },
      el("div", { class: "head" }, el("h2", { id: name + "-head" }, title)), el("p", { class: "small about" }, definition.about), this.form, this.status, this.result, this.more,
    ));
  }

  field(f) {
    const id = `${this.definition.name}-${f.name}`;
    const input = f.options
      ? el("select", { id, class: "field" }, f.options.map((o) => el("option", { value: o }, o)))
      : el("input", { id, class: "field", type: "text", placeholder: f.example, spellcheck: "false", autocomplete: "off", autocapitalize: "none" });
    const hint = el("span", { class: "small", id: id + "-hint" }, f.hint);
    input.setAttribute("aria-describedby", hint.id);
    if (f.events) input.addEventListener("focus", () => (this.last = f));
    return { ...f, input, node: el("div", { class: f.wide ? "wide" : null }, el("label", { for: id }, f.label), input, hint) };
  }

  // show shows the question of a link, and asks it unless its answer is shown.
  show(params) {
    this.range = readRange(params, questionRanges, questionRanges.find((r) => r.key === this.definition.range));
    this.picker.show(this.range);
    for (const f of this.fields) f.input.value = params.get(f.name) ?? f.value ?? "";
    this.suggest();
    const key = `${params}\n${this.app.route.zoned ? this.app.zone() : ""}`;
    if (key === this.asked) return;
    this.asked = key;
    this.ask();
  }

  // suggest offers the event types of the overview.
  suggest() {
    const field = this.fields.find((f) => f.events);
    const types = field ? this.app.types().slice(0, 12) : [];
    show(this.types, types.length > 0);
    this.types.replaceChildren(...types.map((type) => el("button", { type: "button", class: "chip-button", onclick: () => this.addType(type) }, type)));
  }

  addType(type) {
    const field = this.fields.find((f) => f.events && f.name === this.last?.name) ?? this.fields.find((f) => f.events);
    const written = /[{}(),"=<>!\s*]/.test(type) ? JSON.stringify(type) : type;
    const have = field.input.value.trim().replace(/,$/, "");
    field.input.value = field.events === "list" && have ? `${have}, ${written}` : written;
    field.input.focus();
  }

  submit() {
    const params = new URLSearchParams();
    for (const f of this.fields) {
      const value = f.input.value.trim();
      if (value !== "" && value !== f.value) params.set(f.name, value);
    }
    writeRange(params, this.range);
    this.asked = null; // the same question is asked again
    this.app.route.set(params);
  }

  // request returns the parameters of the API.
  request() {
    const params = new URLSearchParams();
    for (const f of this.fields) {
      const value = f.input.value.trim();
      if (value !== "") params.set(f.name, value);
    }
    const { from, to } = bounds(this.range, Date.now(), MINUTE);
    params.set("from", iso(from));
    params.set("to", iso(to));
    if (this.definition.zone) params.set("zone", this.app.zone());
    return params;
  }

  async ask() {
    const turn = ++this.turn;
    this.abort?.abort();
    this.abort = new AbortController();
    this.mark(null);
    const missing = this.fields.find((f) => f.required && !f.input.value.trim());
    if (missing) return this.fail(missing.required, "", true);
    const path = `/metrics/${this.definition.name}${query(this.request())}`;
    this.say(el("p", { class: "small" }, "Counting\u2026"));
    this.result.setAttribute("aria-busy", "true");
    const timer = setTimeout(() => this.abort.abort(), patience);
    try {
      const { data } = await get(path, this.abort.signal);
      if (turn === this.turn) this.got(data, path);
    } catch (error) {
      if (turn !== this.turn) return;
      const { head, words } = explain(error);
      this.fail(head, words);
      if (error.status === 400) this.mark(error.message.split(":")[0]);
    } finally {
      clearTimeout(timer);
      if (turn === this.turn) this.result.removeAttribute("aria-busy");
    }
  }

  // mark marks the field of an error.
  mark(name) {
    for (const f of this.fields) {
      if (f.name === name) f.input.setAttribute("aria-invalid", "true");
      else f.input.removeAttribute("aria-invalid");
    }
  }

  say(...nodes) {
    this.status.replaceChildren(...nodes);
  }

  fail(head, words, quiet = false) {
    this.say(el("p", { class: quiet ? "nothing inline" : "banner static bad" }, quiet ? head : el("strong", {}, head), words ? " " + words : ""));
    this.result.replaceChildren();
    show(this.more, false);
  }

  got(answer, path) {
    this.say(...this.notes(answer));
    this.result.replaceChildren(...this.definition.draw(answer).filter(Boolean));
    this.follow(answer, path);
  }

  notes(a) {
    const notes = [];
    const watch = (head, words) => notes.push(el("p", { class: "banner static watch" }, el("strong", {}, head), " " + words));
    if (a.userShare < 1) watch("Partial answer.", `It includes ${percent(a.userShare, 1)} of the users, which is how far counting got in the ${a.limit === "memory" ? "memory" : "time"} of a request. The numbers are those of these users, not an estimate for all.`);
    for (const hint of a.hints ?? []) watch("Check the names.", plain(hint));
    if (a.droppedBefore) watch("Older events are missing.", `Retention has dropped the events before ${when(Date.parse(a.droppedBefore))}.`);
    if (a.stale) watch("This answer may be out of date.", "PostgreSQL is behind.");
    const parts = [`${exactly(Date.parse(a.from))} to ${exactly(Date.parse(a.to))}.`];
    if (a.asOf) parts.push(`Includes everything loaded by ${when(Date.parse(a.asOf))}.`);
    if (sources[a.source]) parts.push(`From ${sources[a.source]}, ${grouped(a.eventsRead)} events read.`);
    notes.push(el("p", { class: "small" }, parts.join(" ")));
    return notes;
  }

  // follow offers the table, the file and the commands of an answer.
  follow(answer, path) {
    const { name, title } = this.definition;
    const { heads, rows } = this.definition.table(answer);
    const about = this.app.about();
    const part = (label, content) => el("details", {}, el("summary", {}, label, el("span", { class: "hidden" }, `: ${title}`)), content);
    const shown = rows.map((cells) => cells.map((c) => (typeof c === "number" ? grouped(c) : c ?? "\u2013")));
    const sql = el("div", {});
    const behind = part("SQL", sql);
    behind.addEventListener("toggle", () => behind.open && !sql.firstChild && this.statement(sql, path));
    this.more.replaceChildren(
      part("Show as table", el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `Table of ${title}` }, table(title, heads, shown))),
      el("button", { type: "button", class: "button", onclick: () => download(`${name}-${answer.to.slice(0, 10)}.csv`, csv(heads, rows)) }, "Download CSV"),
      ...(about.endpoint ? [part("curl", command("curl", curl(about, path), sessionNote(about)))] : []),
      behind,
    );
    show(this.more, true);
  }

  // statement shows the SQL of an answer.
  async statement(host, path) {
    try {
      const { data } = await get(path.replace("/metrics/", "/sql/"));
      host.replaceChildren(command("SQL", data.sql, data.note));
    } catch (error) {
      host.replaceChildren(el("p", { class: "small" }, explain(error).words));
    }
  }
}
