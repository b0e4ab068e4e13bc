// The state of the connection, and the banner that explains it.

import { $, show, text } from "./dom.js";
import { Refused } from "./feed.js";
import { clock, SECOND, span, when } from "./time.js";

const words = { connecting: "Connecting", live: "Live", stale: "Stale", refused: "Unavailable", lost: "Disconnected", paused: "Paused" };

// judge returns the state of the connection and the text of the banner.
function judge(feeds) {
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

// showConnection shows the state of the feeds.
export function showConnection(feeds) {
  const now = judge(feeds);
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
