// Colors of event types: a type has the same color in all ranges, also after a reload.

const count = 11;
const most = 400; // remembered types

function hash(text) {
  let h = 2166136261;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 16777619);
  return (h ^ (h >>> 15)) >>> 0;
}

// Colors remembers the color of each type that was drawn. The name selects the color; if
// another type has it, the next free one is taken. When all are in use, types share one.
export class Colors {
  constructor() {
    this.slots = new Map(); // type → color
    try {
      for (const [type, slot] of JSON.parse(localStorage.getItem("colors") ?? "[]")) if (slot >= 0 && slot < count) this.slots.set(type, slot);
    } catch {
      // no storage, or not this page's: the names alone select the colors
    }
  }

  // choose returns the color classes of the types to draw, in a fixed order: so many of the
  // largest, of which no two share a color.
  choose(ranked, so) {
    const fresh = ranked.slice(0, so).filter((type) => !this.slots.has(type)).sort();
    for (const type of fresh) this.assign(type);
    if (fresh.length) this.save();
    const used = new Map(); // color → type
    for (const type of ranked) {
      if (used.size === so) break;
      const slot = this.slots.get(type);
      if (slot !== undefined && !used.has(slot)) used.set(slot, type);
    }
    this.shown = new Map([...used].sort((a, b) => a[0] - b[0]).map(([slot, type]) => [type, "c" + slot]));
    return this.shown;
  }

  assign(type) {
    const taken = new Set(this.slots.values());
    const wanted = hash(type) % count;
    for (let i = 0; i < count; i++) {
      const slot = (wanted + i) % count;
      if (taken.size === count || !taken.has(slot)) return void this.slots.set(type, slot);
    }
  }

  save() {
    while (this.slots.size > most) this.slots.delete(this.slots.keys().next().value);
    try {
      localStorage.setItem("colors", JSON.stringify([...this.slots]));
    } catch {
      // no storage: for this page only
    }
  }

  of(type) {
    return this.shown?.get(type) ?? "cx";
  }
}
