// The page: the reader's choices, the feeds, and the state of the connection.

import { Chart } from "./chart.js";
import { $, el, show, text } from "./dom.js";
import { Events, liveURL } from "./events.js";
import { Feeds, Refused } from "./feed.js";
import { Fresh, Health } from "./health.js";
import { metricURL, showMetrics } from "./metrics.js";
import { grouped } from "./number.js";
import { newest, rejected } from "./recent.js";
import { clock, day, DAY, end, go, iso, MINUTE, ranges, SECOND, span, utcDate, when, zone } from "./time.js";
import { showCommands } from "./start.js";

// State has the reader's choices. They are in the URL's hash, so that a link shows
// the same view.
const state = {
  range: ranges[1],
  types: new Set(),
  read() {
    const hash = new URLSearchParams(location.hash.slice(1));
    this.range = ranges.find((r) => r.key === hash.get("range")) ?? ranges[1];
    this.types = new Set(hash.getAll("type"));
  },
  write() {
    const hash = new URLSearchParams({ range: this.range.key });
    for (const type of this.types) hash.append("type", type);
    history.replaceState(null, "", "#" + hash);
  },
  choose(types) {
    this.types = types;
    this.write();
    events.draw();
  },
};

state.read();
const events = new Events(state);
const health = new Health();
const fresh = new Fresh();
const feeds = new Feeds(() => changed());
const recent = { newest: newest(), rejected: rejected() };
let cards = [], about = {}, users = null, usersChart = null;

const add = (name, label, every, url, got, more = {}) => feeds.add(name, { label, every: () => every, url, got, ...more });

add("about", "", 10 * MINUTE, () => "/about", gotAbout);
add("live", "Events, last minutes", SECOND, liveURL, (a, same) => events.gotLive(a, same), { lead: true });
add("range", "Events, selected range", 0, (now) => `/metrics/events?from=${iso(end(now, state.range.step) - state.range.span)}&step=${go(state.range.step)}`,
  (a, same) => events.gotBase(a, same), { every: () => state.range.again, enabled: () => state.range.key !== "15m" });
add("summary", "Last hour and today", 4 * SECOND, () => "/metrics/summary", gotSummary);
add("users", "Users per day", 60 * SECOND, (now) => `/metrics/users?from=${day(now - 13 * DAY)}`, gotUsers);
add("health", "", 5 * SECOND, () => "/health", (h) => health.got(h));
// On a stack each of these is an invocation or a search of a log: a hidden page sends none.
const visible = { enabled: () => !document.hidden };
add("newest", "", 5 * SECOND, () => "/events", (a) => recent.newest.got(a.items), visible);
add("rejected", "", 15 * SECOND, () => "/rejected", (a) => recent.rejected.got(a.items), visible);

function gotAbout(a) {
  if (JSON.stringify(a) === JSON.stringify(about)) return;
  about = a;
  text($("title"), a.title);
  const badge = $("environment");
  text(badge, a.environment);
  badge.dataset.environment = a.environment;
  show(badge, Boolean(a.environment) && a.environment !== a.title);
  text($("version"), `streamctl ${a.version}`);
  document.title = `${a.title} \u00b7 streamctl`;
  showCommands(a);
  for (const c of cards) feeds.feeds.delete(c.definition.name + ".metric");
  cards = showMetrics(a.metrics, state);
  for (const c of cards) {
    add(c.definition.name + ".metric", c.definition.name, 0, (now) => metricURL(c.definition.name, state.range, now), (answer, same) => c.got(answer, same), { every: () => c.every });
  }
}

function gotSummary(s) {
  text($("hour"), grouped(s.events));
  const kinds = Object.keys(s.byType).length;
  text($("hour-note"), kinds === 0 ? "none" : kinds === 1 ? "of one type" : `of ${grouped(kinds)} types`);
  text($("today"), estimate(s.usersToday));
  text($("today-note"), s.usersToday.exact ? "exact, since 00:00 UTC" : "\u00b11 %, since 00:00 UTC");
  if (users) drawUsers();
}

// estimate marks an estimated number of users.
const estimate = (d) => (d.exact || d.users === 0 ? "" : "\u2248 ") + grouped(d.users);

function gotUsers(u) {
  users = u;
  drawUsers();
}

function drawUsers() {
  const today = feeds.feeds.get("summary").data?.usersToday;
  const days = users.days.map((d) => (today?.day === d.day ? today : d));
  usersChart ??= new Chart($("users-chart"), { name: "Users per day", height: 230, whole: true });
  usersChart.update({
    times: days.map((d) => Date.parse(d.day)), step: DAY, kind: "bars", open: days.at(-1)?.day === day(Date.now()), utc: true, fixed: true,
    series: [{ name: "Users", color: "c1", values: days.map((d) => d.users) }],
    unit: () => "distinct users per day", label: utcDate, headOf: utcDate, empty: "No users in these days",
    format: (v, s, i) => estimate(days[i]),
  });
  text($("users-note"), days.every((d) => d.exact) ? "days in UTC, exact" : "days in UTC, \u2248 is \u00b11 %");
}

// changed runs after each response and each failure.
function changed() {
  const summary = feeds.feeds.get("summary").data;
  const nobody = users && users.days.every((d) => !d.users);
  const none = Boolean(summary && nobody && summary.events === 0 && events.live && ![...events.live.counts.values()].some((t) => t.size));
  document.body.classList.toggle("empty", none);
  show($("start"), none);
  const unhealthy = feeds.feeds.get("health").error;
  if (unhealthy instanceof Refused && unhealthy.status !== 502) health.unknown(unhealthy.detail || "This platform has no health data.");
  else if (unhealthy && !feeds.lost) health.unknown(`Health data is unavailable: ${unhealthy.message}`);
  for (const [name, section] of Object.entries(recent)) {
    const { error } = feeds.feeds.get(name);
    if (error instanceof Refused) section.say(error.message || `The response is ${error.status}.`, error.hint);
  }
  fresh.draw([...feeds.feeds.values()]);
  connection();
}

const words = { connecting: "Connecting", live: "Live", stale: "Stale", refused: "Unavailable", lost: "Disconnected", paused: "Paused" };

// now returns the state of the connection and the text of the banner.
function judge() {
  const live = feeds.feeds.get("live"), summary = feeds.feeds.get("summary");
  const error = [live.error, summary.error].find((e) => e instanceof Refused);
  if (feeds.lost) {
    const { since, error: why, again } = feeds.lost;
    const wait = Math.max(0, Math.ceil((again - Date.now()) / SECOND));
    const next = wait ? `Retrying in ${wait} s.` : "Retrying.";
    const reason = why instanceof Refused ? `The dashboard can't reach the platform (${why.message}). ` : "The dashboard's server does not respond. ";
    return { kind: "lost", tone: "bad", head: `Disconnected since ${clock(since, true)}.`, text: `${reason}${live.data ? "Showing the last values. " : ""}${next}` };
  }
  if (error?.status === 401 || error?.status === 403) {
    return { kind: "refused", tone: "bad", head: "Not allowed.", text: `${error.message || "The API rejects these credentials."} They need the policy in the stack's output ReadMetricsPolicyArn, and must not have expired.` };
  }
  if (error) {
    return { kind: "refused", tone: "bad", head: "Can't load new data.", text: `${error.message || `The API returned ${error.status}.`} Showing the last values; retrying.` };
  }
  const behind = [live, summary].filter((f) => f.data?.stale);
  if (behind.length) {
    const asOf = behind.map((f) => f.data.asOf).filter(Boolean).sort()[0];
    const until = asOf ? `They include everything loaded by ${when(Date.parse(asOf))}, ${span(Date.now() - Date.parse(asOf))} ago; newer events may be missing.` : "Their age is unknown.";
    return { kind: "stale", tone: "watch", head: "Numbers may be out of date.", text: `${until} Redis or PostgreSQL is unavailable or slow. No event is lost, and the numbers will catch up.` };
  }
  if (!live.data) return { kind: "connecting" };
  return { kind: document.hidden ? "paused" : "live" };
}

let before = "connecting";

function connection() {
  const now = judge();
  document.body.classList.toggle("loading", now.kind === "connecting");
  document.body.classList.toggle("lost", now.kind === "lost" || now.kind === "refused");
  $("connection").dataset.kind = now.kind;
  text($("connection-text"), words[now.kind]);
  const banner = $("banner");
  show(banner, Boolean(now.head));
  if (now.head) {
    banner.className = "banner " + now.tone;
    text($("banner-head"), now.head);
    text($("banner-text"), now.text);
  }
  show($("retry"), now.kind === "lost");
  if (now.kind !== before && now.kind !== "paused") {
    if (before !== "paused") text($("announce"), before === "connecting" && now.kind === "live" ? "" : now.head ?? (now.kind === "live" ? "Connected again." : words[now.kind]));
    before = now.kind;
  }
}

function makeRanges() {
  for (const r of ranges) {
    const input = el("input", { type: "radio", name: "range", value: r.key, onchange: () => choose(r) });
    $("ranges").append(el("label", {}, input, el("span", {}, r.name)));
  }
  check();
}

const check = () => ($("ranges").querySelector(`[value="${state.range.key}"]`).checked = true);

function choose(range) {
  state.range = range;
  state.write();
  events.base = null;
  events.draw();
  feeds.hurry("range", ...cards.map((c) => c.definition.name + ".metric"));
}

function makeTheme() {
  const root = document.documentElement, button = $("theme");
  const system = matchMedia("(prefers-color-scheme: dark)");
  const dark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
  const tell = () => button.setAttribute("aria-pressed", dark());
  button.addEventListener("click", () => {
    const theme = dark() ? "light" : "dark";
    if ((theme === "dark") === system.matches) delete root.dataset.theme;
    else root.dataset.theme = theme;
    try {
      if (root.dataset.theme) localStorage.setItem("theme", theme);
      else localStorage.removeItem("theme");
    } catch {
      // no storage: for this page only
    }
    tell();
  });
  system.addEventListener("change", tell);
  tell();
}

makeRanges();
makeTheme();
text($("zone"), `Times in your time zone (${zone()}); days of users in UTC`);
$("retry").addEventListener("click", () => feeds.hurry());
addEventListener("hashchange", () => {
  const range = state.range;
  state.read();
  check();
  if (state.range !== range) choose(state.range);
  else events.draw();
});
setInterval(() => {
  fresh.draw([...feeds.feeds.values()]);
  connection();
}, SECOND);
feeds.start();
