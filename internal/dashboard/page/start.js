// The start page, shown until the first event: how to send one.

import { $, el } from "./dom.js";

const event = `{"userId": "user123", "eventType": "page_view", "properties": {"page": "/dashboard"}}`;

function commands(about) {
  const all = [];
  if (about.send) all.push({ name: "With streamctl", lines: about.send });
  if (about.endpoint) {
    const signed = about.region ? ` \\\n  --aws-sigv4 "aws:amz:${about.region}:execute-api" --user "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY"` : "";
    all.push({
      name: "With curl",
      lines: `curl -X POST "${about.endpoint}/events"${signed} \\\n  -H "Content-Type: application/json" \\\n  -d '${event}'`,
      note: about.region ? "With temporary credentials add -H \"x-amz-security-token: $AWS_SESSION_TOKEN\"." : "",
    });
  }
  for (const { name, code } of about.snippets ?? []) all.push({ name: `With a library \u2013 ${name}`, lines: code });
  return all;
}

export function showCommands(about) {
  $("commands").replaceChildren(...commands(about).map(({ name, lines, note }) => {
    const copy = el("button", { type: "button", class: "button", "aria-label": `Copy the command ${name.toLowerCase()}` }, "Copy");
    copy.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(lines);
        copy.textContent = "Copied";
      } catch {
        getSelection().selectAllChildren(code);
        copy.textContent = "Selected";
      }
      setTimeout(() => (copy.textContent = "Copy"), 2000);
    });
    const code = el("code", {}, lines);
    return el("div", { class: "command" }, el("div", { class: "head" }, el("h3", {}, name), el("span", { class: "space" }), copy), el("pre", { tabindex: "0", "aria-label": `Command ${name.toLowerCase()}` }, code), note ? el("p", { class: "small" }, note) : null);
  }));
}
