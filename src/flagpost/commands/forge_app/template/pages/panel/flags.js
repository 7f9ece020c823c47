// The issue's flags: what each is called, how it is in each environment, and who saved it last.
import { button, element, link } from "../shared/dom.js";

export function flagList(panel, when, act) {
  return element("ul", { className: "flags" }, ...panel.flags.map((flag) => item(flag, panel, when, act)));
}

function item(flag, panel, when, act) {
  const made = element("li", { className: "flag", id: `flag-${flag.id}` },
    element("div", {},
      element("h2", {}, link(flag.name, flag.url)),
      element("p", { className: "small subtle" }, flag.project)),
    states(flag.states),
    flag.saved_at && saved(flag, when));
  if (flag.may_disconnect) made.firstChild.after(disconnect(flag, panel.issue, act, made));
  return made;
}

function states(found) {
  const primaryFirst = [...found].sort((one, other) => other.primary - one.primary);
  return element("ul", { className: "states" }, ...primaryFirst.map(({ environment, primary, on, words }) =>
    element("li", { className: `${on ? "on" : "off"}${primary ? " primary" : ""}` }, `${words} in ${environment}`)));
}

function saved({ saved_by, saved_at }, when) {
  const who = saved_by ? ` by ${saved_by},` : "";
  return element("p", { className: "saved small subtle" }, `Last saved${who} `, when(saved_at));
}

function disconnect(flag, issue, act, place) {
  const first = button("Disconnect", () => place.append(sure(flag, issue, act, first)), {
    className: "small", ariaLabel: `Disconnect ${flag.name}`,
  });
  return element("div", {}, first);
}

function sure(flag, issue, act, first) {
  first.hidden = true;
  const back = () => {
    made.remove();
    first.hidden = false;
    first.focus();
  };
  const done = `${flag.name} is no longer connected with ${issue.key}.`;
  const go = () => act("disconnect", { flag: flag.id }, { done, focus: "#connect", place: made });
  const question = element("p", {}, `Disconnect ${flag.name} from ${issue.key}? The feature flag itself stays as it is.`);
  const buttons = element("div", { className: "buttons" },
    button("Disconnect", go, { className: "danger" }), button("Cancel", back));
  const made = element("div", { className: "sure", role: "group", ariaLabel: `Disconnect ${flag.name}?` }, question, buttons);
  made.addEventListener("keydown", (event) => event.key === "Escape" && back());
  queueMicrotask(() => buttons.lastChild.focus());
  return made;
}
