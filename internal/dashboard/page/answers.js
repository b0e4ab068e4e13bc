// The questions about users: their fields, and how their answers look.

import { el, table } from "./dom.js";
import { exact, decimal, grouped, percent } from "./number.js";
import { DAY, HOUR, MINUTE, SECOND } from "./time.js";

const where = { name: "where", label: "Filters", example: "country=DE, amount>10", hint: "Properties of all events." };
const gap = { name: "gap", label: "Pause", value: "30m", hint: "A longer pause ends a session." };
const ofValue = (v) => (v === "" ? "(none)" : v);

// duration formats seconds.
export function duration(seconds) {
  if (seconds === undefined || seconds === null) return "\u2013";
  const ms = seconds * SECOND;
  if (ms < MINUTE) return (seconds < 10 ? Number(seconds.toFixed(1)) : Math.round(seconds)) + " s";
  if (ms < HOUR) return `${Math.floor(ms / MINUTE)} min ${Math.floor((ms % MINUTE) / SECOND)} s`;
  if (ms < 2 * DAY) return `${Math.floor(ms / HOUR)} h ${Math.floor((ms % HOUR) / MINUTE)} min`;
  return (ms / DAY).toFixed(1) + " days";
}

const bar = (part, whole, color = "c0") => {
  const node = el("span", { class: "share " + color });
  node.style.setProperty("width", `${whole > 0 ? Math.min(100, (100 * part) / whole) : 0}%`);
  return node;
};

// ranked is a table with a bar behind each name.
const ranked = (title, heads, rows) =>
  el("div", {}, el("h3", {}, title), rows.length
    ? el("table", { class: "bars" }, el("caption", { class: "hidden" }, title), el("thead", {}, el("tr", {}, heads.map((h, i) => el("th", { scope: "col", class: i ? "number" : null }, h)))),
      el("tbody", {}, rows.map(({ name, part, whole, cells }) => el("tr", {}, el("th", { scope: "row" }, bar(part, whole), el("span", { class: "name" }, name)), cells.map((c) => el("td", { class: "number" }, c))))))
    : el("p", { class: "nothing inline" }, "None in this range."));

const tile = (name, value, note) => el("div", { class: "fact" }, el("h3", {}, name), el("p", { class: "big" }, value), note ? el("p", { class: "small" }, note) : null);

function funnel({ funnel: { steps, groups = [], by, rest } }) {
  const first = steps[0].users;
  const list = el("ol", { class: "funnel" }, steps.map((s, i) => el(
    "li", {}, el("div", { class: "head" }, el("b", {}, `${i + 1}. ${s.step}`), el("span", { class: "space" }), el("span", { class: "number" }, `${grouped(s.users)} ${s.users === 1 ? "user" : "users"}`)),
    el("div", { class: "track" }, bar(s.users, first)),
    el("p", { class: "small" }, i === 0 ? "Start" : `${percent(s.users, first)} of the first step, ${percent(s.users, steps[i - 1].users)} of the previous one` + (s.medianSeconds === undefined ? "" : `; median ${duration(s.medianSeconds)} after it`)),
  )));
  if (!groups.length) return [first ? null : el("p", { class: "nothing inline" }, "No user did the first step in this range."), list];
  const heads = [by.replace(/^properties\./, ""), ...steps.map((s) => s.step), "Completed"];
  const rows = groups.map((g) => [ofValue(g.value), ...g.steps.map((s) => grouped(s.users)), percent(g.steps.at(-1).users, g.steps[0].users)]);
  return [list, el("h3", {}, "Groups"), wide(table("Groups of the funnel", heads, rows), "Groups of the funnel"), rest ? el("p", { class: "small" }, `${grouped(rest)} smaller groups are not shown.`) : null];
}

const wide = (node, label) => el("div", { class: "scroll tall", tabindex: "0", role: "region", "aria-label": label }, node);

const funnelTable = ({ funnel: { steps, groups = [], by } }) => ({
  heads: [...(by ? [by] : []), "Step", "Users", "Conversion", "Median seconds"],
  rows: [
    ...steps.map((s) => [...(by ? ["(all)"] : []), s.step, s.users, s.conversion, s.medianSeconds ?? null]),
    ...groups.flatMap((g) => g.steps.map((s) => [g.value, s.step, s.users, s.conversion, s.medianSeconds ?? null])),
  ],
});

// The first day of a period, as the API's time has it in the zone of the question.
const cohortDay = (start) => start.slice(0, 10);

function retention({ retention: { unit, zone, cohorts } }) {
  if (!cohorts.some((c) => c.users)) return [el("p", { class: "nothing inline" }, "No user has a start event in this range.")];
  const periods = Math.max(...cohorts.map((c) => c.returned.length));
  const head = el("tr", {}, [`${unit[0].toUpperCase()}${unit.slice(1)} of`, "Users", ...Array.from({ length: periods }, (_, i) => `${unit} ${i}`)].map((h, i) => el("th", { scope: "col", class: i ? "number" : null }, h)));
  const rows = cohorts.map((c) => el(
    "tr", {}, el("th", { scope: "row" }, cohortDay(c.start)), el("td", { class: "number" }, grouped(c.users)),
    Array.from({ length: periods }, (_, i) => {
      if (i >= c.returned.length) return el("td", {});
      const open = c.open && i === c.returned.length - 1;
      const level = c.users ? Math.ceil((10 * c.returned[i]) / c.users) : 0;
      return el("td", { class: `number heat h${level}`, title: `${grouped(c.returned[i])} of ${grouped(c.users)} users${open ? ", so far" : ""}` }, percent(c.returned[i], c.users) + (open ? "*" : ""));
    }),
  ));
  const node = el("table", { class: "plain cohorts" }, el("caption", { class: "hidden" }, "Users who returned, by period of their first event"), el("thead", {}, head), el("tbody", {}, rows));
  return [wide(node, "Users who returned"), el("p", { class: "small" }, `Periods are in ${zone}.${cohorts.some((c) => c.open) ? " * This period has not ended." : ""}`)];
}

const retentionTable = ({ retention: { unit, cohorts } }) => ({
  heads: [unit, "Users", "Period", "Returned", "Ended"],
  rows: cohorts.flatMap((c) => c.returned.map((n, i) => [cohortDay(c.start), c.users, i, n, c.open && i === c.returned.length - 1 ? "no" : "yes"])),
});

function sessions({ sessions: s }) {
  const types = (title, list) => ranked(title, ["Type", "Share", "Sessions"], list.map((t) => ({ name: t.eventType, part: t.count, whole: s.sessions, cells: [percent(t.count, s.sessions), grouped(t.count)] })));
  return [
    el(
      "div", { class: "facts" }, tile("Sessions", grouped(s.sessions)), tile("Users", grouped(s.users)), tile("Events per session", s.sessions ? s.eventsPerSession.toFixed(2) : "\u2013"),
      tile("Median duration", duration(s.medianSeconds)), tile("Mean duration", duration(s.meanSeconds)), tile("Bounce rate", percent(s.bounceRate, 1), "sessions with one event"),
    ),
    el("div", { class: "pair" }, types("First events", s.entries), types("Last events", s.exits)),
  ];
}

const sessionsTable = ({ sessions: s }) => ({
  heads: ["Number", "Event type", "Value"],
  rows: [
    ["Sessions", "", s.sessions], ["Users", "", s.users], ["Events", "", s.events], ["Events per session", "", s.eventsPerSession], ["Median seconds", "", s.medianSeconds ?? null],
    ["Mean seconds", "", s.meanSeconds ?? null], ["Bounce rate", "", s.bounceRate],
    ...s.entries.map((t) => ["Sessions that begin with", t.eventType, t.count]), ...s.exits.map((t) => ["Sessions that end with", t.eventType, t.count]),
  ],
});

const number = (v) => (v === undefined ? "\u2013" : exact(decimal(v)));

function breakdown({ breakdown: b }) {
  const groups = [...b.groups, ...(b.rest ? [{ ...b.rest, values: [`${grouped(b.restGroups)} more`] }] : [])];
  const most = Math.max(1, ...b.groups.map((g) => g.count));
  const heads = [b.by.map((p) => p.replace(/^properties\./, "")).join(" \u00b7 "), "Events", "Users"];
  if (b.property) heads.push("Sum", "Min", "Max", ...(b.percents ?? []).map((p) => `${p} %`));
  const rows = groups.map((g) => ({
    name: g.values.map(ofValue).join(" \u00b7 "), part: g.count, whole: most,
    cells: [grouped(g.count), grouped(g.users), ...(b.property ? [number(g.sum), number(g.min), number(g.max), ...(b.percents ?? []).map((_, i) => number(g.percentiles?.[i]))] : [])],
  }));
  return [wide(ranked("Groups", heads, rows), "Groups")];
}

const breakdownTable = ({ breakdown: b }) => ({
  heads: [...b.by, "Events", "Users", ...(b.property ? ["Numbers", "Sum", "Min", "Max", ...(b.percents ?? []).map((p) => `Percentile ${p}`)] : [])],
  rows: [...b.groups, ...(b.rest ? [{ ...b.rest, values: b.by.map((_, i) => (i ? "" : `(${b.restGroups} more)`)) }] : [])].map((g) => [
    ...g.values, g.count, g.users, ...(b.property ? [g.numbers ?? 0, g.sum ?? null, g.min ?? null, g.max ?? null, ...(b.percents ?? []).map((_, i) => g.percentiles?.[i] ?? null)] : []),
  ]),
});

function paths({ paths: p }) {
  const rows = p.paths.map((one) => ({ name: one.types.join(" \u2192 ") || "(no other event)", part: one.count, whole: p.occurrences, cells: [percent(one.count, p.occurrences), grouped(one.count), grouped(one.users)] }));
  return [
    el("div", { class: "facts" }, tile("Occurrences", grouped(p.occurrences)), tile("Users", grouped(p.users))), ranked(p.before ? "Paths to the event" : "Paths after the event", ["Path", "Share", "Events", "Users"], rows),
    p.rest ? el("p", { class: "small" }, `${grouped(p.rest)} occurrences have ${grouped(p.restPaths)} other paths.`) : null,
  ];
}

const pathsTable = ({ paths: p }) => ({
  heads: [...Array.from({ length: p.depth }, (_, i) => `Event ${i + 1}`), "Events", "Users"],
  rows: p.paths.map((one) => [...Array.from({ length: p.depth }, (_, i) => one.types[i] ?? ""), one.count, one.users]),
});

const selection = (name, label, more = {}) => ({ name, label, events: "one", hint: "An event type, * for all, filters in braces.", ...more });

export const definitions = [
  {
    name: "funnel", title: "Funnel", range: "7d", about: "Users who complete steps in order.", draw: funnel, table: funnelTable,
    fields: [
      { name: "steps", label: "Steps", example: "page_view, checkout, purchase{amount>10}", hint: "2 to 8 events, separated by commas, with optional filters in braces.", events: "list", wide: true, required: "Enter at least two steps: event types, in order, separated by commas." },
      { name: "window", label: "Within", value: "7d", hint: "Time from the first step to the last." },
      { name: "by", label: "Group by", example: "country", hint: "A property of the first step." }, where,
    ],
  },
  {
    name: "retention", title: "Retention", range: "30d", zone: true, about: "Users by the period of their first start event, and how many return in later periods.", draw: retention, table: retentionTable,
    fields: [
      selection("start", "Start", { value: "*" }), selection("return", "Return", { value: "*" }), { name: "unit", label: "Period", options: ["week", "day", "month"], value: "week", hint: "In the time zone of the page." },
      { name: "periods", label: "Periods", value: "8", hint: "1 to 60." }, where,
    ],
  },
  { name: "sessions", title: "Sessions", range: "7d", about: "Runs of a user's events without a long pause.", draw: sessions, table: sessionsTable, fields: [gap, where] },
  {
    name: "breakdown", title: "Breakdown", range: "7d", about: "Events and users by the values of a property, and the sum and percentiles of a number.", draw: breakdown, table: breakdownTable,
    fields: [
      selection("event", "Event", { value: "*" }), { name: "by", label: "Group by", value: "eventType", hint: "One or two properties, or eventType." },
      { name: "property", label: "Number", example: "amount", hint: "A property to sum." }, where,
    ],
  },
  {
    name: "paths", title: "Paths", range: "7d", about: "The events that users send after or before an event.", draw: paths, table: pathsTable,
    fields: [
      selection("event", "Event", { example: "purchase", required: "Enter an event type." }), { name: "direction", label: "Direction", options: ["after", "before"], value: "after", hint: "Relative to the event." },
      { name: "depth", label: "Depth", options: ["4", "3", "2", "1"], value: "4", hint: "Events per path." }, gap, where,
    ],
  },
];
