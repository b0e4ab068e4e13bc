// The newest events, and what ingest rejected. All texts come from senders of events.

import { $, el, keyed, text } from "./dom.js";
import { when } from "./time.js";

const longest = 120; // characters of a value in a cell

// Characters that hide others or change their order are shown as their codes.
const hidden = /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g;
export const plain = (s) => String(s ?? "").replace(hidden, (c) => "\\u" + c.charCodeAt(0).toString(16).padStart(4, "0"));

// cell shows a value; a long one opens. A narrow page has the column's name in each cell,
// and the roles keep the table a table there.
function cell(value, head) {
  const all = plain(value);
  const about = { role: "cell", "data-head": head };
  if (all.length <= longest) return el("td", about, el("bdi", {}, all));
  return el("td", about, el("details", {}, el("summary", {}, el("bdi", {}, all.slice(0, longest) + "\u2026")), el("pre", { tabindex: "0" }, all)));
}

export class Recent {
  constructor(id, heads, none, key, cells) {
    Object.assign(this, { id, heads, none, key, cells });
  }

  got(items) {
    if (!items.length) return this.say(this.none);
    if (!this.body?.isConnected) {
      this.body = el("tbody", { role: "rowgroup" });
      const heads = this.heads.map((h) => el("th", { scope: "col", role: "columnheader" }, h));
      const head = el("thead", { role: "rowgroup" }, el("tr", { role: "row" }, heads));
      $(this.id).replaceChildren(el("table", { class: "fresh recent", role: "table", "aria-labelledby": this.id + "-head" }, head, this.body));
    }
    const unique = [...new Map(items.map((i) => [this.key(i), i])).values()];
    keyed(this.body, unique, this.key, (i) => this.row(i), () => {});
  }

  row(i) {
    const time = el("th", { scope: "row", role: "rowheader" }, when(Date.parse(i.timestamp ?? i.time)));
    return el("tr", { role: "row" }, time, this.cells(i).map((value, n) => cell(value, this.heads[n + 1])));
  }

  // say shows paragraphs instead of the table.
  say(...words) {
    const all = words.filter(Boolean).map(plain);
    if (this.body || $(this.id).textContent !== all.join("")) $(this.id).replaceChildren(...all.map((p) => el("p", { class: "nothing inline" }, p)));
    this.body = null;
  }
}

export const newest = () => new Recent("newest", ["Time", "Type", "User", "Properties"], "No events in the last 72 hours.",
  (e) => e.eventId + e.timestamp, (e) => [e.eventType, e.userId, e.properties]);

export const rejected = () => new Recent("rejected", ["Time", "Reason", "Field", "Events", "Caller"], "No events were rejected in the last 15 minutes.",
  (r) => [r.time, r.requestId, r.caller, r.reason].join("\n"), (r) => [r.reason, r.field, r.count, r.caller]);
