// The Configure page: shows how the site stands, and sends the token to Flagpost. Built into static/configure.bundle.js.
import { invokeRemote, view } from "@forge/bridge";

const path = "/forge/configure";
const by = (id) => document.getElementById(id);

function show(answer) {
  const connected = answer.status === "connected";
  by("state").textContent = connected
    ? "This Jira site is connected to Flagpost."
    : "Enter the token that Flagpost showed when the integration was saved there.";
  by("projects").hidden = !connected;
  by("projects").tBodies[0].replaceChildren(
    ...answer.projects.map((one) => {
      const row = document.createElement("tr");
      row.append(...[one.project, one.environment].map((text) => Object.assign(document.createElement("td"), { textContent: text })));
      return row;
    }),
  );
}

function complain(answer) {
  const said = answer?.body?.error?.message;
  by("problem").textContent = said || `Flagpost does not answer (${answer?.status ?? "no connection"}). Is it reachable over https?`;
  by("problem").hidden = false;
}

async function call(method, body) {
  by("problem").hidden = true;
  try {
    const answer = await invokeRemote({ path, method, headers: { "Content-Type": "application/json" }, body });
    if (answer?.status === 200) show(answer.body);
    else complain(answer);
    return answer?.status === 200;
  } catch (error) {
    complain({ body: { error: { message: String(error.message || error) } } });
    return false;
  }
}

by("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const button = event.target.querySelector("button");
  button.disabled = true;
  if (await call("POST", { token: by("token").value })) by("token").value = "";
  button.disabled = false;
});

view.theme.enable();
call("GET");
