// The Configure page: shows how the site stands, and hands Flagpost the token that connects it.
import { view } from "@forge/bridge";
import { by, complain, element, link, say } from "../shared/dom.js";
import { ask } from "../shared/flagpost.js";

const PATH = "/forge/configure";

function show(site) {
  const connected = site.status === "connected";
  by("state").replaceChildren(...(connected ? [addresses(site), projects(site.projects)] : []));
  if (site.flagpost) by("where").replaceChildren(...whereTheTokenIs(site.flagpost));
}

function addresses({ flagpost, site }) {
  const rows = [flagpost && ["Flagpost", link(flagpost, flagpost)], site && ["Jira site", site]];
  return element("dl", {}, ...rows.filter(Boolean).flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]));
}

function projects(found) {
  const head = row("th", ["Project", "Primary environment"]);
  const rows = found.map(({ project, environment }) => row("td", [project, environment]));
  const none = "The token may see no project that Jira is to show. Grant it in Flagpost.";
  if (!rows.length) return element("p", {}, none);
  return element("table", {}, element("thead", {}, head), element("tbody", {}, ...rows));
}

function row(tag, texts) {
  return element("tr", {}, ...texts.map((text) => element(tag, tag === "th" ? { scope: "col" } : {}, text)));
}

function whereTheTokenIs(flagpost) {
  const place = link("Admin settings → Integrations", `${flagpost}/admin/integrations`);
  return ["Flagpost shows it once, when an admin saves the integration with Jira there: ", place, " → Marketplace → Jira Cloud."];
}

async function load() {
  try {
    const site = await ask(PATH);
    show(site);
    say(site.status === "connected" ? "This Jira site is connected to Flagpost." : "This Jira site is not connected yet.");
  } catch (error) {
    complain(error);
  }
}

async function save(event) {
  event.preventDefault();
  const token = by("token");
  if (by("form").ariaBusy === "true") return;
  by("form").ariaBusy = "true";
  try {
    show(await ask(PATH, { token: token.value }));
    say("Saved. This Jira site is connected to Flagpost.");
    token.ariaInvalid = null;
    token.value = "";
  } catch (error) {
    complain(error);
    token.ariaInvalid = "true";
    token.focus();
  }
  by("form").ariaBusy = null;
}

by("form").addEventListener("submit", save);
view.theme.enable();
load();
