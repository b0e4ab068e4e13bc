// The start page, shown until the first event: how to send one.

import { command, sessionNote, signature } from "./copy.js";
import { $ } from "./dom.js";

const event = `{"userId": "user123", "eventType": "page_view", "properties": {"page": "/dashboard"}}`;

function commands(about) {
  const all = [];
  if (about.send) all.push({ name: "With streamctl", lines: about.send });
  if (about.endpoint) {
    all.push({
      name: "With curl", note: sessionNote(about),
      lines: `curl -X POST "${about.endpoint}/events"${signature(about)} \\\n  -H "Content-Type: application/json" \\\n  -d '${event}'`,
    });
  }
  for (const { name, code } of about.snippets ?? []) all.push({ name: `With a library \u2013 ${name}`, lines: code });
  return all;
}

export function showCommands(about) {
  $("commands").replaceChildren(...commands(about).map(({ name, lines, note }) => command(name, lines, note)));
}
