// The page: its tabs, its feeds, and the reader's choices on the overview.

import { showAlerts, spans } from "./alerts.js";
import { definitions } from "./answers.js";
import { showConnection } from "./connection.js";
import { $, show, text } from "./dom.js";
import { Events, liveURL } from "./events.js";
import { Feeds, Refused } from "./feed.js";
import { Fresh, Health } from "./health.js";
import { gotLive, liveFailed } from "./live.js";
import { metricURL, showMetrics } from "./metrics.js";
import { Question } from "./question.js";
import { RangePicker, readRange, writeRange } from "./range.js";
import { newest, rejected } from "./recent.js";
import { first, Route } from "./route.js";
import { showCommands } from "./start.js";
import { makeTabs, makeZones } from "./tabs.js";
import { bounds, currentZone, day, DAY, go, iso, MINUTE, ranges, SECOND } from "./time.js";
import { Users } from "./users.js";

const tabNames = [...$("tabs").querySelectorAll("[role=tab]")].map((t) => t.dataset.tab);
const route = new Route(tabNames, () => shown());
const on = (tab) => route.tab === tab && !document.hidden;

// state has the reader's choices on the overview.
const state = {
  read() {
    const params = route.all.get(first);
    this.range = readRange(params, ranges, ranges[1]);
    this.types = new Set(params.getAll("type"));
  },
  write(range, types) {
    const params = new URLSearchParams();
    writeRange(params, range);
    for (const type of types) params.append("type", type);
    route.set(params);
  },
  choose(types) {
    this.write(this.range, types);
  },
};

state.read();
const events = new Events(state);
const health = new Health();
const fresh = new Fresh();
const users = new Users();
const feeds = new Feeds(() => changed());
const recent = { newest: newest(), rejected: rejected() };
let cards = [], about = {};

const app = { route, about: () => about, types: () => events.chips, zone: currentZone };
const questions = new Map(definitions.map((d) => [d.name, new Question($("panel-" + d.name), d, app)]));
const picker = new RangePicker($("ranges"), "range", ranges, (range) => state.write(range, state.types));
$("ranges").parentElement.after(picker.form);

function eventsURL(now) {
  const { from, to } = bounds(state.range, now, state.range.step);
  return `/metrics/events?from=${iso(from)}${state.range.from === undefined ? "" : `&to=${iso(to)}`}&step=${go(state.range.step)}`;
}

function alertsURL(now) {
  const days = Math.ceil((now - bounds(state.range, now, MINUTE).from) / DAY);
  return `/alerts?days=${Math.max(1, Math.min(30, days))}`;
}

const add = (name, label, every, url, got, more = {}) => feeds.add(name, { label, every: () => every, url, got, ...more });

add("about", "", 10 * MINUTE, () => "/about", gotAbout);
add("live", "Events, last minutes", SECOND, liveURL, (a, same) => events.gotLive(a, same), { lead: true });
add("range", "Events, selected range", 0, eventsURL, (a, same) => events.gotBase(a, same), { every: () => state.range.again, enabled: () => state.range.key !== "15m" && (route.tab === first || !events.base) });
add("summary", "Last hour and today", 4 * SECOND, () => "/metrics/summary", (s) => users.gotSummary(s));
add("users", "Users per day", 60 * SECOND, (now) => `/metrics/users?from=${day(now - 13 * DAY)}`, (u) => users.got(u));
add("health", "", 5 * SECOND, () => "/health", (h) => health.got(h));
// On a stack each of these is an invocation or a search of a log: a hidden page sends none.
add("alerts", "", 30 * SECOND, alertsURL, gotAlerts, { enabled: () => on(first) });
add("newest", "", 5 * SECOND, () => "/events", (a) => recent.newest.got(a.items), { enabled: () => on("events") });
add("rejected", "", 15 * SECOND, () => "/rejected", (a) => recent.rejected.got(a.items), { enabled: () => on("events") });
add("users-now", "", 15 * SECOND, () => "/metrics/live", gotLive, { enabled: () => on("events") });

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
    add(c.definition.name + ".metric", c.definition.name, 0, (now) => metricURL(c.definition.name, state.range, now), (answer, same) => c.got(answer, same), { every: () => c.every, enabled: () => route.tab === first });
  }
}

function gotAlerts(a) {
  showAlerts(a.alerts);
  events.spans = spans(a, Date.now());
  events.draw();
}

// changed runs after each response and each failure.
function changed() {
  const summary = feeds.feeds.get("summary").data;
  const none = Boolean(summary && users.none && summary.events === 0 && events.live && ![...events.live.counts.values()].some((t) => t.size));
  document.body.classList.toggle("empty", none);
  show($("start"), none);
  const unhealthy = feeds.feeds.get("health").error;
  if (unhealthy instanceof Refused && unhealthy.status !== 502) health.unknown(unhealthy.message || "This platform has no health data.");
  else if (unhealthy && !feeds.lost) health.unknown(`Health data is unavailable: ${unhealthy.message}`);
  for (const [name, section] of Object.entries(recent)) {
    const { error } = feeds.feeds.get(name);
    if (error instanceof Refused) section.say(error.message || `The response is ${error.status}.`, error.hint);
  }
  const now = feeds.feeds.get("users-now");
  if (now.error && !feeds.lost) liveFailed(now.error);
  fresh.draw([...feeds.feeds.values()]);
  showConnection(feeds);
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

const showTab = makeTabs(route), showZone = makeZones(route);

// shown shows the view of the route.
function shown() {
  const before = JSON.stringify(state.range);
  state.read();
  showTab();
  showZone();
  picker.show(state.range);
  questions.get(route.tab)?.show(route.params);
  if (JSON.stringify(state.range) !== before) {
    events.base = null;
    feeds.hurry("range", "alerts", ...cards.map((c) => c.definition.name + ".metric"));
  }
  events.draw();
  for (const c of cards) c.draw();
  feeds.run();
}

makeTheme();
$("retry").addEventListener("click", () => feeds.hurry());
setInterval(() => {
  fresh.draw([...feeds.feeds.values()]);
  showConnection(feeds);
}, SECOND);
feeds.start();
shown();
