// The panel on an issue: its feature flags as they are now, and what a viewer with a Flagpost account may do with them.
import { view } from "@forge/bridge";
import { button, by, complain, element, say } from "../shared/dom.js";
import { ask } from "../shared/flagpost.js";
import { clock } from "../shared/times.js";
import { account } from "./account.js";
import { flagList } from "./flags.js";
import { toolbar } from "./toolbar.js";

const PATH = "/forge/panel";
const NOT_CONNECTED = "This Jira site is not connected to Flagpost yet. A Jira admin does that in Apps → Manage apps → Flagpost → Configure.";

let when;
let shown;
let busy = false;

function show(panel) {
  if (JSON.stringify(panel) === shown) return;
  shown = JSON.stringify(panel);
  const parts = panel.status === "connected" ? connected(panel) : [element("p", {}, NOT_CONNECTED)];
  by("panel").replaceChildren(...parts.filter((part) => part !== null));
}

function connected(panel) {
  const tools = panel.person.linked && panel.person.may_edit ? toolbar(panel, act) : null;
  const flags = panel.flags.length ? flagList(panel, when, act) : null;
  return [tools, flags, unseen(panel), account(panel, act)];
}

function unseen({ flags, hidden }) {
  if (!hidden && flags.length) return null;
  const none = "No feature flag is connected with this issue yet.";
  const some = `${hidden === 1 ? "1 feature flag" : `${hidden} feature flags`} of this issue you may not see here.`;
  return element("p", { className: "subtle" }, hidden ? some : none);
}

/** Have Flagpost do something and show the panel that it answers with, or say in `place` why not. Whether it was done. */
async function act(what, body, { done, focus, place }) {
  if (busy) return false;
  setBusy(true);
  try {
    show(await ask(`${PATH}/${what}`, body));
    say(done);
    document.querySelector(focus)?.focus();
    return true;
  } catch (error) {
    complain(error, place);
    return false;
  } finally {
    setBusy(false);
  }
}

function setBusy(now) {
  busy = now;
  by("panel").ariaBusy = String(now);
}

async function load() {
  say("Asking Flagpost …");
  try {
    when = clock(await view.getContext());
    show(await ask(PATH));
    say("");
  } catch (error) {
    shown = undefined;
    complain(error);
    by("panel").replaceChildren(element("div", {}, button("Try again", load)));
  }
}

// A viewer who comes back from creating a flag in Flagpost sees it, unless they are in the middle of something here.
async function refresh() {
  if (document.hidden || busy || !shown || document.querySelector(".search, .sure")) return;
  await ask(PATH).then(show, () => {});
}

document.addEventListener("visibilitychange", refresh);
view.theme.enable();
load();
