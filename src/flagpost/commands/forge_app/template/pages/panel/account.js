// Whom Flagpost knows the person as: linking their account, and what it lets them do.
import { router } from "@forge/bridge";
import { button, element } from "../shared/dom.js";

export function account(panel, act) {
  const place = element("div", { className: "account" });
  place.append(...(panel.person.linked ? linked(panel.person, act, place) : linking(panel, act)));
  return place;
}

function linked({ name, may_edit }, act, place) {
  const who = name ? `Linked with ${name}’s Flagpost account` : "Linked with your Flagpost account";
  const may = may_edit ? "." : ", which may see feature flags but not change them here.";
  const how = { done: "Your Flagpost account is no longer linked.", focus: "#code", place };
  const unlink = button("Unlink", () => act("unlink", {}, how), { className: "small", ariaLabel: "Unlink your Flagpost account" });
  return [element("div", { className: "linked" }, element("p", { className: "small subtle" }, who + may), unlink)];
}

function linking({ link_url }, act) {
  const input = element("input", { id: "code", autocomplete: "off", spellcheck: false, required: true });
  input.setAttribute("aria-describedby", "problem");
  const form = element("form", { onsubmit: (event) => submit(event, input, act) },
    element("label", { htmlFor: "code" }, "Code from Flagpost"), input,
    element("button", { className: "primary" }, "Link account"));
  return [
    element("h2", {}, "Link your Flagpost account"),
    element("p", {}, "To create, connect and disconnect feature flags here, get a code in Flagpost and enter it. Without an account there you see the flags, but cannot change them."),
    element("div", {}, button("Get a code in Flagpost", () => router.open(link_url).catch(() => {}))),
    form,
  ];
}

async function submit(event, input, act) {
  event.preventDefault();
  const code = input.value.replace(/\s/g, "");
  const how = { done: "Your Flagpost account is linked.", focus: "#panel button", place: event.target };
  if (await act("link", { code }, how)) return;
  input.ariaInvalid = "true";
  input.focus();
}
