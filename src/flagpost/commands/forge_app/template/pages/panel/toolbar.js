// Creating a flag, in Flagpost, and connecting an existing one, by searching for it here.
import { router } from "@forge/bridge";
import { button, complain, element } from "../shared/dom.js";
import { ask } from "../shared/flagpost.js";

const PAUSE = 250; // milliseconds without a keystroke before it is searched

export function toolbar(panel, act) {
  const create = button("Create feature flag", () => router.open(panel.create_url).catch(() => {}), { className: "primary" });
  const connect = button("Connect feature flag", toggle, { id: "connect", ariaExpanded: "false" });
  const made = element("div", { className: "toolbar" }, element("div", { className: "buttons" }, create, connect));
  const search = searchOf(panel, act);

  function toggle() {
    const open = connect.ariaExpanded !== "true";
    connect.ariaExpanded = String(open);
    if (open) search.openIn(made);
    else search.close();
  }
  made.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || connect.ariaExpanded !== "true") return;
    toggle();
    connect.focus();
  });
  return made;
}

function searchOf(panel, act) {
  const said = element("p", { role: "status", className: "small subtle" });
  const results = element("ul", { className: "results" });
  const input = element("input", { id: "search", type: "search", autocomplete: "off", oninput: later });
  const place = element("div", { className: "search" },
    element("div", {}, element("label", { htmlFor: "search" }, "Search feature flags by name"), input), said, results);
  let newest = 0;
  let timer;

  function later() {
    clearTimeout(timer);
    timer = setTimeout(search, PAUSE);
  }
  async function search() {
    const mine = ++newest;
    const outdated = () => mine !== newest || !place.isConnected;
    try {
      const found = await ask("/forge/panel/search", { q: input.value.trim() });
      if (!outdated()) show(found);
    } catch (error) {
      if (!outdated()) complain(error, place);
    }
  }
  function show({ flags, more }) {
    said.textContent = inWords(flags.length, more);
    results.replaceChildren(...flags.map((flag) => result(flag, panel, act, place)));
  }
  return {
    openIn(home) {
      home.append(place);
      input.focus();
      search();
    },
    close: () => place.remove(),
  };
}

function inWords(count, more) {
  if (more) return `The first ${count} feature flags. Type more of the name to find others.`;
  return count === 1 ? "1 feature flag found." : `${count || "No"} feature flags found.`;
}

function result(flag, { issue }, act, place) {
  const done = `${flag.name} is connected with ${issue.key}.`;
  const how = { done, focus: `#flag-${CSS.escape(flag.id)} a`, place };
  const connect = button(flag.name, () => act("connect", { flag: flag.id }, how));
  connect.append(element("span", { className: "small subtle" }, flag.project));
  return element("li", {}, connect);
}
