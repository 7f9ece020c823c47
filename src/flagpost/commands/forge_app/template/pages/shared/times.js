// Moments as people say them, in the language and time zone that they chose in Jira.
import { element } from "./dom.js";

const STEPS = [[60, "second"], [60, "minute"], [24, "hour"], [30, "day"], [12, "month"], [Infinity, "year"]];

/** What turns an ISO 8601 moment into a `time` element, for a viewer with this Jira context. */
export function clock({ locale, timezone }) {
  const relative = new Intl.RelativeTimeFormat(locale, { numeric: "auto" });
  const exact = new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "short", timeZone: timezone });
  return (moment) => {
    const date = new Date(moment);
    return element("time", { dateTime: moment, title: exact.format(date) }, ago(date, relative));
  };
}

function ago(date, relative) {
  let amount = Math.min(0, (date - Date.now()) / 1000);
  for (const [size, unit] of STEPS) {
    if (amount > -size) return relative.format(Math.trunc(amount), unit);
    amount /= size;
  }
}
