// The view in the URL's hash: the tab, its parameters and the time zone, so that a link
// shows the same view and the browser's buttons go back and forward.

import { browserZone, currentZone, setZone } from "./time.js";

export const first = "overview";

export class Route {
  // tabs are the names of the tabs; changed runs after each change.
  constructor(tabs, changed) {
    Object.assign(this, { tabs, changed, tab: first, zoned: false });
    this.all = new Map(tabs.map((t) => [t, new URLSearchParams()])); // tab → its parameters
    this.read();
    addEventListener("hashchange", () => location.hash !== this.hash && (this.read(), this.changed()));
  }

  get params() {
    return this.all.get(this.tab);
  }

  read() {
    const params = new URLSearchParams(location.hash.slice(1));
    const tab = params.get("tab"), zone = params.get("zone");
    this.tab = this.tabs.includes(tab) ? tab : first;
    this.zoned = Boolean(zone) && setZone(zone);
    if (!this.zoned) setZone(browserZone);
    params.delete("tab");
    params.delete("zone");
    this.all.set(this.tab, params);
    this.hash = location.hash;
  }

  write() {
    const hash = new URLSearchParams(this.tab === first ? {} : { tab: this.tab });
    for (const [name, value] of this.params) hash.append(name, value);
    if (this.zoned) hash.set("zone", currentZone());
    const same = this.hash === "#" + hash;
    this.hash = "#" + hash;
    history[same ? "replaceState" : "pushState"](null, "", this.hash);
    this.changed();
  }

  // open shows a tab with the parameters that it had.
  open(tab) {
    if (tab === this.tab) return;
    this.tab = tab;
    this.write();
  }

  // set changes the parameters of the shown tab.
  set(params) {
    this.all.set(this.tab, params);
    this.write();
  }

  // zone selects a time zone; the empty text is the browser's.
  zone(name) {
    this.zoned = name !== "";
    setZone(name || browserZone);
    this.write();
  }
}
