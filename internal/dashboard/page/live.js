// Users and events of the last five minutes.

import { $, text } from "./dom.js";
import { Refused } from "./feed.js";
import { grouped, percent } from "./number.js";
import { plain } from "./recent.js";
import { clock } from "./time.js";

export function gotLive({ live, asOf, userShare }) {
  text($("live-users"), grouped(live.users));
  text($("live-events"), grouped(live.events));
  const [top] = live.types;
  text($("live-top"), top ? plain(top.eventType) : "\u2013");
  text($("live-top-note"), top ? `${percent(top.count, live.events)} of these events` : "no events");
  text($("live-note"), asOf ? `everything loaded by ${clock(Date.parse(asOf), true)}${userShare < 1 ? `; ${percent(userShare, 1)} of the users were counted` : ""}` : "");
}

export function liveFailed(error) {
  for (const id of ["live-users", "live-events", "live-top"]) text($(id), "\u2013");
  text($("live-top-note"), "");
  const words = error instanceof Refused ? error.message || `The response is ${error.status}.` : "The dashboard's server does not respond.";
  text($("live-note"), error.status === 404 ? "This stack does not count live users: update it with \u201cstreamctl deploy\u201d." : words);
}
