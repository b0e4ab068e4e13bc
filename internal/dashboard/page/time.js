// Times and ranges, in the selected time zone.

export const SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE, DAY = 24 * HOUR;

// The ranges of the overview: step is for events, coarse for the metrics' smaller charts,
// again is the interval at which a long range is reloaded.
export const ranges = [
  { key: "15m", name: "15 min", span: 15 * MINUTE, step: MINUTE, coarse: MINUTE, again: 20 * SECOND },
  { key: "1h", name: "1 h", span: HOUR, step: MINUTE, coarse: MINUTE, again: 20 * SECOND },
  { key: "6h", name: "6 h", span: 6 * HOUR, step: MINUTE, coarse: 5 * MINUTE, again: 60 * SECOND },
  { key: "24h", name: "24 h", span: DAY, step: 5 * MINUTE, coarse: 15 * MINUTE, again: 60 * SECOND },
  { key: "7d", name: "7 days", span: 7 * DAY, step: HOUR, coarse: 2 * HOUR, again: 30 * SECOND },
];

// questionRanges are those of questions about users.
export const questionRanges = [
  { key: "24h", name: "24 h", span: DAY },
  { key: "7d", name: "7 days", span: 7 * DAY },
  { key: "30d", name: "30 days", span: 30 * DAY },
  { key: "90d", name: "90 days", span: 90 * DAY },
];

export const longest = 366 * DAY;
const steps = [MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR, 6 * HOUR, DAY];

// custom returns the range between two times.
export function custom(from, to) {
  const step = (most) => steps.find((s) => (to - from) / s <= most) ?? DAY;
  return { key: "custom", name: `${exactly(from)} to ${exactly(to)}`, from: floor(from, MINUTE), to: ceil(to, MINUTE), span: to - from, step: step(370), coarse: step(100), again: 60 * SECOND };
}

// bounds returns the times of a range, which begins with a whole step of the time zone.
export function bounds(range, now, step) {
  if (range.from === undefined) return { from: end(now, step) - range.span, to: end(now, step) };
  const off = offset(range.from);
  return { from: floor(range.from + off, step) - off, to: Math.min(range.to, end(now, MINUTE)) };
}

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

export const browserZone = Intl.DateTimeFormat().resolvedOptions().timeZone ?? "UTC";
let formatter, zoneName;

// setZone selects the time zone of all times; it reports whether the browser knows it.
export function setZone(name) {
  try {
    formatter = new Intl.DateTimeFormat("en-US", {
      timeZone: name, hourCycle: "h23", year: "numeric", month: "numeric", day: "numeric", hour: "numeric", minute: "numeric", second: "numeric",
    });
    zoneName = name;
    return true;
  } catch {
    return false; // RangeError: not a time zone
  }
}

setZone(browserZone);
export const currentZone = () => zoneName;

// local returns a time of the zone as if it were UTC, so that the UTC methods of Date give
// its fields.
function local(at) {
  const p = {};
  for (const { type, value } of formatter.formatToParts(at)) p[type] = Number(value);
  return new Date(Date.UTC(p.year, p.month - 1, p.day, p.hour, p.minute, p.second));
}

// offset is the zone's distance from UTC at a time.
export const offset = (at) => local(at).getTime() - floor(at, SECOND);

export function clock(at, seconds = false) {
  const d = local(at);
  return two(d.getUTCHours()) + ":" + two(d.getUTCMinutes()) + (seconds ? ":" + two(d.getUTCSeconds()) : "");
}

export function date(at) {
  const d = local(at);
  return `${weekdays[d.getUTCDay()]} ${d.getUTCDate()} ${months[d.getUTCMonth()]}`;
}

export function utcDate(at) {
  const d = new Date(at);
  return `${d.getUTCDate()} ${months[d.getUTCMonth()]}`;
}

// input formats a time for an input of type datetime-local; fromInput reads one.
export const input = (at) => local(at).toISOString().slice(0, 16);

export function fromInput(value) {
  const as = Date.parse(value + "Z");
  return as - offset(as - offset(as));
}

// exactly formats a time with the date.
export const exactly = (at) => `${date(at)} ${clock(at)}`;

// when formats a time, with the date unless it is today.
export const when = (at, now = Date.now()) => (date(at) === date(now) && Math.abs(now - at) < DAY ? clock(at, true) : exactly(at));

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
  const minutes = offset(Date.now()) / MINUTE;
  const sign = minutes < 0 ? "\u2212" : "+";
  const size = Math.abs(minutes);
  return minutes === 0 ? "UTC" : `UTC${sign}${Math.floor(size / 60)}${size % 60 ? ":" + two(size % 60) : ""}`;
}
