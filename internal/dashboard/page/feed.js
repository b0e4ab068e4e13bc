// Feeds: the page's repeated requests. A visible page requests data about every
// second, a hidden one rarely; failing requests back off.

import { parse } from "./number.js";

const tick = 200;
const patience = 20000; // milliseconds until a request is aborted
const hiddenTimes = 10, hiddenLeast = 15000;
const slowest = 30000;

const jitter = (ms) => ms * (0.85 + 0.3 * Math.random());

// Refused is an error response.
export class Refused extends Error {
  constructor(status, detail, hint, retryAfter) {
    super(detail);
    Object.assign(this, { status, hint, retryAfter });
  }
}

const kept = new Map(); // url → {tag, data}

export async function get(url, signal) {
  const known = kept.get(url);
  const response = await fetch(url, { cache: "no-store", signal, headers: known?.tag ? { "If-None-Match": known.tag } : {} });
  if (response.status === 304 && known) return { data: known.data, same: true };
  const body = await response.text();
  if (!response.ok) {
    let detail = "", hint = "";
    try {
      const problem = JSON.parse(body);
      detail = problem.detail ?? problem.message ?? problem.Message ?? "";
      hint = problem.hint ?? "";
    } catch {
      // not JSON: the status is enough
    }
    throw new Refused(response.status, detail, hint, Number(response.headers.get("Retry-After")) || 0);
  }
  const data = parse(body);
  const tag = response.headers.get("ETag");
  if (tag) {
    kept.set(url, { tag, data });
    if (kept.size > 60) kept.delete(kept.keys().next().value);
  }
  return { data, same: false };
}

// whole requests all pages of a long range, up to a bound.
async function whole(url, signal) {
  const first = await get(url, signal);
  if (!first.data.next) return first;
  const pages = [first];
  const path = url.split("?")[0];
  while (pages.at(-1).data.next && pages.length < 20) {
    pages.push(await get(`${path}?cursor=${encodeURIComponent(pages.at(-1).data.next)}`, signal));
  }
  const last = pages.at(-1).data;
  const data = { ...last, from: first.data.from, stale: pages.some((p) => p.data.stale), points: pages.flatMap((p) => p.data.points) };
  return { data, same: pages.every((p) => p.same) };
}

// Feeds runs feeds. It calls changed after each response and each failure.
export class Feeds {
  constructor(changed) {
    this.changed = changed;
    this.feeds = new Map();
    this.lost = null; // {since, error, tries, again}: the server can't be reached
  }

  // add defines a feed: url(now), every (ms), got(data, same). The first
  // request is due immediately. lead feeds check whether a lost server is back.
  add(name, feed) {
    this.feeds.set(name, { name, due: 0, asked: 0, tries: 0, busy: false, error: null, data: null, at: null, enabled: () => true, ...feed });
  }

  start() {
    setInterval(() => this.run(), tick);
    document.addEventListener("visibilitychange", () => document.hidden || this.hurry());
    addEventListener("online", () => this.hurry());
    this.run();
  }

  // hurry makes all feeds, or the named ones, due now.
  hurry(...names) {
    for (const feed of this.feeds.values()) {
      if (names.length && !names.includes(feed.name)) continue;
      feed.due = 0;
      feed.hurried = feed.busy; // the pending response is for the previous request
    }
    if (!names.length && this.lost) this.lost.again = 0;
    this.run();
  }

  run() {
    const now = Date.now();
    for (const feed of this.feeds.values()) {
      // A feed may have become due again since the request started.
      const due = feed.error ? feed.due : Math.min(feed.due, feed.asked + 1.15 * this.pace(feed.every()));
      if (feed.busy || now < due || !feed.enabled()) continue;
      if (this.lost && (!feed.lead || now < this.lost.again)) continue;
      this.ask(feed);
    }
  }

  async ask(feed) {
    feed.busy = true;
    feed.asked = Date.now();
    const abort = new AbortController();
    const timer = setTimeout(() => abort.abort(), patience);
    let answer = null;
    try {
      answer = await whole(feed.url(Date.now()), abort.signal);
    } catch (error) {
      this.failed(feed, error);
    }
    clearTimeout(timer);
    feed.busy = false;
    if (answer) this.answered(feed, answer);
    if (feed.hurried) feed.due = 0;
    feed.hurried = false;
    this.changed(feed);
  }

  answered(feed, { data, same }) {
    const again = feed.data === data;
    Object.assign(feed, { data, at: Date.now(), error: null, tries: 0 });
    feed.due = Date.now() + jitter(this.pace(feed.every()));
    if (this.lost) {
      this.lost = null;
      for (const other of this.feeds.values()) if (other !== feed) other.due = 0;
    }
    feed.got(data, same && again);
  }

  pace(every) {
    return document.hidden ? Math.max(every * hiddenTimes, hiddenLeast) : every;
  }

  failed(feed, error) {
    feed.error = error;
    feed.tries++;
    const wait = Math.min(slowest, 1000 * 2 ** Math.min(feed.tries - 1, 6));
    feed.due = Date.now() + jitter(this.pace(Math.max(wait, (error.retryAfter ?? 0) * 1000)));
    // 503 is the platform's response to one query; these come from the connection.
    const away = !(error instanceof Refused) || error.status === 502 || error.status === 504;
    if (!away) {
      if (this.lost && feed.lead) this.lost = null;
      return;
    }
    if (!feed.lead && !this.lost) return void this.hurry(...[...this.feeds.values()].filter((f) => f.lead).map((f) => f.name));
    if (!feed.lead) return;
    this.lost ??= { since: feed.at ?? Date.now(), tries: 0 };
    this.lost.tries++;
    this.lost.error = error;
    this.lost.again = Date.now() + jitter(this.pace(Math.min(slowest / 2, 1000 * 2 ** Math.min(this.lost.tries - 1, 4))));
    feed.due = 0;
  }
}
