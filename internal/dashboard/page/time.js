// Times and ranges.

export const SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE, DAY = 24 * HOUR;

// The ranges: step is for events, coarse for the metrics' smaller charts, again is
// the interval at which a long range is reloaded.
export const ranges = [
  { key: "15m", name: "15 min", span: 15 * MINUTE, step: MINUTE, coarse: MINUTE, again: 20 * SECOND },
  { key: "1h", name: "1 h", span: HOUR, step: MINUTE, coarse: MINUTE, again: 20 * SECOND },
  { key: "6h", name: "6 h", span: 6 * HOUR, step: MINUTE, coarse: 5 * MINUTE, again: 60 * SECOND },
  { key: "24h", name: "24 h", span: DAY, step: 5 * MINUTE, coarse: 15 * MINUTE, again: 60 * SECOND },
  { key: "7d", name: "7 days", span: 7 * DAY, step: HOUR, coarse: 2 * HOUR, again: 30 * SECOND },
];

export const floor = (at, step) => Math.floor(at / step) * step;
export const ceil = (at, step) => Math.ceil(at / step) * step;

// end is the end of the current step.
export const end = (now, step) => ceil(floor(now, MINUTE) + MINUTE, step);

export const iso = (at) => new Date(at).toISOString().replace(".000Z", "Z");
export const day = (at) => new Date(at).toISOString().slice(0, 10);
export const go = (step) => step / MINUTE + "m";

const two = (n) => String(n).padStart(2, "0");
const months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const weekdays = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];

export function clock(at, seconds = false) {
  const d = new Date(at);
  return two(d.getHours()) + ":" + two(d.getMinutes()) + (seconds ? ":" + two(d.getSeconds()) : "");
}

export function date(at) {
  const d = new Date(at);
  return `${weekdays[d.getDay()]} ${d.getDate()} ${months[d.getMonth()]}`;
}

export function utcDate(at) {
  const d = new Date(at);
  return `${d.getUTCDate()} ${months[d.getUTCMonth()]}`;
}

// when formats a time, with the date unless it is today.
export const when = (at, now = Date.now()) => (date(at) === date(now) ? clock(at, true) : `${date(at)} ${clock(at)}`);

export function span(ms) {
  const s = Math.max(0, Math.round(ms / SECOND));
  if (s < 90) return s + " s";
  if (s < 90 * 60) return Math.round(s / 60) + " min";
  if (s < 36 * 3600) return Math.round(s / 3600) + " h";
  return Math.round(s / 86400) + " days";
}

export const stepName = (step) =>
  step === MINUTE ? "minute" : step === HOUR ? "hour" : step === DAY ? "day" : step < HOUR ? step / MINUTE + " minutes" : step / HOUR + " hours";

export function zone() {
  const offset = -new Date().getTimezoneOffset();
  const sign = offset < 0 ? "\u2212" : "+";
  const size = Math.abs(offset);
  return offset === 0 ? "UTC" : `UTC${sign}${Math.floor(size / 60)}${size % 60 ? ":" + two(size % 60) : ""}`;
}
