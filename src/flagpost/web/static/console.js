// What a form cannot do alone: the theme, copying, and live sums. Every page works without it.
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
document.addEventListener("DOMContentLoaded", () => document.querySelectorAll("[data-shares]").forEach(sum));

document.addEventListener("change", (event) => {
  if (event.target.matches("[data-submit]")) event.target.form.requestSubmit();
  const next = event.target.id && document.querySelector(`[data-after="${CSS.escape(event.target.id)}"]`);
  if (next) next.click();
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
