// Commands to copy.

import { el } from "./dom.js";

// quoted quotes a text for a shell.
const quoted = (s) => `'${s.replaceAll("'", `'\\''`)}'`;

// encode is encodeURIComponent with the characters that a signature wants encoded.
const encode = (s) => encodeURIComponent(s).replace(/[!'()*]/g, (c) => "%" + c.charCodeAt(0).toString(16).toUpperCase());

// query returns parameters as part of a URL, sorted, as a signature wants them.
export function query(params) {
  const all = [...params].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, value]) => `${encode(name)}=${encode(value)}`);
  return all.length ? "?" + all.join("&") : "";
}

// signature returns curl's options for a signed request; empty if none is needed.
export const signature = (about) =>
  about.region ? ` \\\n  --aws-sigv4 "aws:amz:${about.region}:execute-api" --user "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY"` : "";

export const sessionNote = (about) => (about.region ? "With temporary credentials add -H \"x-amz-security-token: $AWS_SESSION_TOKEN\"." : "");

// curl returns the command that sends a request of the page to the API.
export const curl = (about, path) => `curl ${quoted(about.endpoint + path)}${signature(about)}`;

// command shows lines with a button that copies them.
export function command(name, lines, note) {
  const copy = el("button", { type: "button", class: "button", "aria-label": `Copy the command ${name.toLowerCase()}` }, "Copy");
  const code = el("code", {}, lines);
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
  const head = el("div", { class: "head" }, el("h3", {}, name), el("span", { class: "space" }), copy);
  return el("div", { class: "command" }, head, el("pre", { tabindex: "0", "aria-label": `Command ${name.toLowerCase()}` }, code), note ? el("p", { class: "small" }, note) : null);
}
