// The tabs and the choice of the time zone.

import { $, el, show, text } from "./dom.js";
import { browserZone, currentZone, zone } from "./time.js";

// makeTabs wires the tabs to a route and returns the function that shows the selected one.
export function makeTabs(route) {
  const tabs = [...$("tabs").querySelectorAll("[role=tab]")];
  const move = { ArrowRight: 1, ArrowLeft: -1, Home: -Infinity, End: Infinity };
  for (const [i, tab] of tabs.entries()) {
    tab.addEventListener("click", () => route.open(tab.dataset.tab));
    tab.addEventListener("keydown", (e) => {
      const by = move[e.key];
      if (by === undefined || e.altKey || e.ctrlKey || e.metaKey) return;
      e.preventDefault();
      const to = Number.isFinite(by) ? (i + by + tabs.length) % tabs.length : by < 0 ? 0 : tabs.length - 1;
      tabs[to].focus();
      route.open(tabs[to].dataset.tab);
    });
  }
  return () => {
    for (const tab of tabs) {
      const on = tab.dataset.tab === route.tab;
      tab.setAttribute("aria-selected", on);
      tab.tabIndex = on ? 0 : -1;
      show($("panel-" + tab.dataset.tab), on);
    }
  };
}

// makeZones fills the choice of time zones and returns the function that shows the
// selected one.
export function makeZones(route) {
  const select = $("zone-choice");
  const names = (Intl.supportedValuesOf?.("timeZone") ?? []).filter((name) => name !== "UTC");
  select.append(
    el("option", { value: "" }, `Your time zone (${browserZone})`), el("option", { value: "UTC" }, "UTC"),
    el("optgroup", { label: "Time zones" }, names.map((name) => el("option", { value: name }, name))),
  );
  select.addEventListener("change", () => route.zone(select.value));
  return () => {
    const value = route.zoned ? currentZone() : "";
    if (![...select.options].some((o) => o.value === value)) select.append(el("option", { value }, value));
    select.value = value;
    text($("zone"), `Times in ${route.zoned ? currentZone() : "your time zone"} (${zone()}); days of users in UTC`);
  };
}
