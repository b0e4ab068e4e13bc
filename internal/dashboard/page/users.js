// The numbers of the last hour, and users per day.

import { Chart } from "./chart.js";
import { $, text } from "./dom.js";
import { grouped } from "./number.js";
import { day, DAY, utcDate } from "./time.js";

// estimate marks an estimated number of users.
const estimate = (d) => (d.exact || d.users === 0 ? "" : "\u2248 ") + grouped(d.users);

export class Users {
  gotSummary(s) {
    this.today = s.usersToday;
    text($("hour"), grouped(s.events));
    const kinds = Object.keys(s.byType).length;
    text($("hour-note"), kinds === 0 ? "none" : kinds === 1 ? "of one type" : `of ${grouped(kinds)} types`);
    text($("today"), estimate(s.usersToday));
    text($("today-note"), s.usersToday.exact ? "exact, since 00:00 UTC" : "\u00b11 %, since 00:00 UTC");
    if (this.answer) this.draw();
  }

  got(answer) {
    this.answer = answer;
    this.draw();
  }

  // none reports whether no user was seen.
  get none() {
    return Boolean(this.answer) && this.answer.days.every((d) => !d.users);
  }

  draw() {
    const days = this.answer.days.map((d) => (this.today?.day === d.day ? this.today : d));
    this.chart ??= new Chart($("users-chart"), { name: "Users per day", height: 230, whole: true });
    this.chart.update({
      times: days.map((d) => Date.parse(d.day)), step: DAY, kind: "bars", open: days.at(-1)?.day === day(Date.now()), utc: true, fixed: true,
      series: [{ name: "Users", color: "c1", values: days.map((d) => d.users) }],
      unit: () => "distinct users per day", label: utcDate, headOf: utcDate, empty: "No users in these days",
      format: (v, s, i) => estimate(days[i]),
    });
    text($("users-note"), days.every((d) => d.exact) ? "days in UTC, exact" : "days in UTC, \u2248 is \u00b11 %");
  }
}
