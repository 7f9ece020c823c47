// Asks Flagpost, by way of Jira, which proves who asks.
// Atlassian: https://developer.atlassian.com/platform/forge/apis-reference/ui-api-bridge/invokeRemote/
import { invokeRemote } from "@forge/bridge";

const headers = { "Content-Type": "application/json" };

/** Flagpost's answer to a GET, or to a POST where there is something to send. An Error says in words what went wrong. */
export async function ask(path, body) {
  const request = body ? { path, method: "POST", headers, body } : { path, method: "GET" };
  const answer = await invokeRemote(request).catch((error) => ({ message: error?.message }));
  if (answer?.status >= 200 && answer.status < 300) return answer.body;
  throw new Error(refusal(answer?.body?.error) || silence(answer));
}

function refusal(error) {
  const problems = (error?.problems ?? []).map((problem) => problem.message);
  return problems.join(" ") || error?.message;
}

// A 401 never reaches the page: Atlassian keeps it for a remote that does not believe the invocation token.
function silence(answer) {
  if (/invocation token/i.test(answer?.message)) {
    return "Flagpost does not believe this app. Was it started with the app's id as FLAGPOST_FORGE_APP_ID?";
  }
  const why = answer?.status ? `It said ${answer.status}.` : answer?.message;
  return `Flagpost does not answer. Is it running, and can Atlassian reach it?${why ? ` (${why})` : ""}`;
}
