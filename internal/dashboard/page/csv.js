// Files of comma-separated values.

import { el } from "./dom.js";
import { plain } from "./recent.js";

// A spreadsheet would take such a text for a formula.
const formula = /^[\s"']*[=+\-@]|^[\t\r]/;

function cell(value) {
  if (value === null || value === undefined) return "";
  if (typeof value === "number" || (typeof value === "string" && /^-?\d+(\.\d+)?([eE][+-]?\d+)?$/.test(value))) return String(value);
  const shown = plain(value);
  return `"${(formula.test(shown) ? "'" + shown : shown).replaceAll('"', '""')}"`;
}

export const csv = (heads, rows) => [heads, ...rows].map((cells) => cells.map(cell).join(",")).join("\r\n") + "\r\n";

// download saves a file.
export function download(name, content) {
  const url = URL.createObjectURL(new Blob([content], { type: "text/csv" }));
  const link = el("a", { href: url, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}
