// The few elements that the pages are made of. Text is only ever set as text.
import { router } from "@forge/bridge";

export const by = (id) => document.getElementById(id);

/** A new element with these properties and children; a child that is null is left out. */
export function element(tag, properties, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children.filter((child) => child !== null));
  return made;
}

export function button(text, onclick, properties) {
  return element("button", { type: "button", onclick, ...properties }, text);
}

/** A link that Jira opens in a new tab: the frame of an app may not, and Jira asks first. A viewer may decline. */
export function link(text, href, properties) {
  const open = (event) => {
    event.preventDefault();
    router.open(href).catch(() => {});
  };
  return element("a", { href, onclick: open, ...properties }, text);
}

const status = by("status");
const problem = by("problem");

/** Say how it stands; what was wrong before is settled. Both of these are read out by whatever reads pages aloud. */
export function say(text) {
  problem.hidden = true;
  status.after(problem);
  status.textContent = text;
}

/** Say what went wrong: in the place that is given, or at the top. */
export function complain(error, place) {
  say("");
  place?.append(problem);
  problem.textContent = error.message;
  problem.hidden = false;
}
