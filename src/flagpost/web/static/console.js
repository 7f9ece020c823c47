// What a form cannot do alone: the theme, copying, live sums, suggestions, where the focus goes, and how far an upload is. Every page works without it.
const root = document.documentElement;
const theme = localStorage.getItem("theme");
if (theme) root.dataset.theme = theme;

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-theme-to],[data-copy]");
  if (!button) return;
  if (button.dataset.copy) {
    await navigator.clipboard.writeText(document.querySelector(button.dataset.copy).value);
    button.textContent = "Copied";
    return;
  }
  const wanted = button.dataset.themeTo;
  if (wanted === "system") {
    localStorage.removeItem("theme");
    delete root.dataset.theme;
  } else {
    localStorage.setItem("theme", wanted);
    root.dataset.theme = wanted;
  }
});

function sum(group) {
  const total = [...group.querySelectorAll("input[data-share]")].reduce((all, one) => all + Number(one.value || 0), 0);
  const shown = group.querySelector("output");
  shown.textContent = `${total} % of 100 %`;
  shown.className = `lozenge narrow ${total === 100 ? "ok" : "bad"}`;
}
document.addEventListener("input", (event) => {
  const group = event.target.closest("[data-shares]");
  if (group) sum(group);
});
for (const shown of ["DOMContentLoaded", "htmx:after:swap"])
  document.addEventListener(shown, () => document.querySelectorAll("[data-shares]").forEach(sum));

document.addEventListener("change", (event) => {
  if (event.target.matches("[data-submit]")) event.target.form.requestSubmit();
  const next = event.target.id && document.querySelector(`[data-after="${CSS.escape(event.target.id)}"]`);
  if (next) next.click();
});
// A button that takes something away may be gone with it: then the one that adds such a thing has the focus.
let pressed = null;
document.addEventListener("click", (event) => {
  pressed = event.target.closest("[id^=press-drop-]");
});
document.addEventListener("htmx:after:swap", () => {
  if (!pressed || pressed.isConnected || document.activeElement !== document.body) return;
  document.getElementById(pressed.id.replace("drop", "add").replace(/-\d+$/, ""))?.focus();
});

// Fields that suggest segments or flags: what is typed is searched for among all of the project's.
let searching = 0;
document.addEventListener("input", (event) => {
  const list = event.target.list;
  if (!list || !list.dataset.from) return;
  clearTimeout(searching);
  const chosen = !event.inputType || event.inputType === "insertReplacementText"; // from the list, and not typed
  const next = chosen && document.querySelector(`[data-chosen="${CSS.escape(event.target.id)}"]`);
  if (next) return next.click();
  searching = setTimeout(async () => {
    const answer = await fetch(`${list.dataset.from}?q=${encodeURIComponent(event.target.value)}`);
    if (answer.ok) list.replaceChildren(...(await answer.json()).map((name) => new Option(name, name)));
  }, 150);
});

// A file goes with a bar that shows how much of it has been sent; what is wrong is shown without leaving the page.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.matches("[data-upload]")) return;
  event.preventDefault();
  const [bar, said, button] = ["progress", "output", "button"].map((name) => form.querySelector(name));
  const request = new XMLHttpRequest();
  bar.hidden = false;
  button.disabled = true;
  request.upload.addEventListener("progress", (sent) => {
    bar.value = (100 * sent.loaded) / sent.total;
    said.textContent = `${Math.floor(bar.value)} % sent`;
  });
  request.upload.addEventListener("load", () => {
    bar.removeAttribute("value");
    said.textContent = "Sent. Saving the keys…";
  });
  request.addEventListener("loadend", () => {
    if (request.status === 200) return location.assign(request.responseURL);
    const page = new DOMParser().parseFromString(request.responseText, "text/html");
    const wrong = page.querySelector("#wrong .note") || page.querySelector("main");
    document.querySelector("#wrong").replaceChildren(wrong || "The server did not answer. Try again.");
    document.querySelector("#wrong").scrollIntoView();
    bar.hidden = true;
    button.disabled = false;
    said.textContent = "";
  });
  request.open("POST", form.action);
  request.send(new FormData(form));
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const open of document.querySelectorAll(".side details[open]")) {
    open.open = false;
    open.querySelector("summary").focus();
  }
});
document.addEventListener("click", (event) => {
  for (const open of document.querySelectorAll(".side details[open]")) if (!open.contains(event.target)) open.open = false;
});
