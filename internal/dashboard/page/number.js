// Numbers. The API's are exact decimals, whose digits floating point would lose:
// they are kept as text and added up as integers.

export const zero = { units: 0n, places: 0 };

// decimal parses a number in JSON's form.
export function decimal(text) {
  const [, sign, whole, fraction = "", exponent = "0"] = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(String(text)) ?? [null, "", "0"];
  const shift = Number(exponent);
  const units = BigInt(sign + whole + fraction);
  const places = fraction.length - shift;
  return places < 0 ? { units: units * 10n ** BigInt(-places), places: 0 } : { units, places };
}

function align(a, b) {
  const places = Math.max(a.places, b.places);
  return [a.units * 10n ** BigInt(places - a.places), b.units * 10n ** BigInt(places - b.places), places];
}

export function plus(a, b) {
  const [x, y, places] = align(a, b);
  return { units: x + y, places };
}

export function less(a, b) {
  const [x, y] = align(a, b);
  return x < y;
}

// digits formats all digits, without needless zeros.
export function digits(d) {
  const negative = d.units < 0n;
  let all = String(negative ? -d.units : d.units).padStart(d.places + 1, "0");
  if (d.places) {
    all = (all.slice(0, -d.places) + "." + all.slice(-d.places)).replace(/0+$/, "").replace(/\.$/, "");
  }
  return (negative && d.units ? "-" : "") + all;
}

// near is an approximation for drawing.
export const near = (d) => Number(digits(d));

// grouped puts commas between thousands, in every locale.
export function grouped(textOrNumber) {
  const [whole, fraction] = String(textOrNumber).split(".");
  const parts = whole.replace(/\B(?=(\d{3})+(?!\d))/g, ",").replace(/^-/, "\u2212");
  return fraction === undefined ? parts : parts + "." + fraction;
}

export const exact = (d) => grouped(digits(d));

// short is for axes: 1.2k.
export function short(n) {
  const size = Math.abs(n);
  if (size >= 1e15) return n.toPrecision(2).replace("+", "").replace(/^-/, "\u2212");
  for (const [limit, letter] of [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"]]) {
    if (size >= limit) return grouped(trim((n / limit).toFixed(size / limit < 10 ? 1 : 0))) + letter;
  }
  return grouped(trim(size > 0 && size < 1 ? n.toPrecision(2) : n.toFixed(size < 10 ? 2 : 0)));
}

const trim = (text) => (text.includes(".") && !text.includes("e") ? text.replace(/\.?0+$/, "") : text);

// rate formats events per second with significant digits only.
export const rate = (n) => grouped(n === 0 ? "0" : n < 10 ? n.toFixed(1) : String(Math.round(n)));

export function percent(part, whole) {
  if (!(whole > 0)) return "0 %";
  const p = (100 * part) / whole;
  if (p > 0 && p < 0.1) return "< 0.1 %";
  return (p < 10 ? p.toFixed(1) : Math.round(p)) + " %";
}

// parse parses a response and keeps the decimals of metrics and breakdowns as text. A
// quote inside a string is written \", so only names of members match.
export const parse = (body) => JSON.parse(body.replace(/"(sum|min|max)":(-?\d[\d.eE+-]*)/g, '"$1":"$2"')
  .replace(/"percentiles":\[([-\d.eE+,]+)\]/g, (_, list) => `"percentiles":["${list.replaceAll(",", '","')}"]`));
