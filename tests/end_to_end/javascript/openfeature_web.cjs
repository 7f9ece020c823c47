// A page in a browser that evaluates through OpenFeature, with its official OFREP provider: it downloads every flag for
// one person, asks again whether something changed, and answers from what it has.
const { OFREPWebProvider } = require("@openfeature/ofrep-web-provider");
const { OpenFeature, ProviderEvents } = require("@openfeature/web-sdk");
const told = require("./told.cjs");

const statuses = [];
let changes = 0;

async function fetchAndNote(...request) {
  const answer = await fetch(...request);
  statuses.push(answer.status);
  return answer;
}

async function start({ url, key, context }) {
  OpenFeature.addHandler(ProviderEvents.ConfigurationChanged, () => changes++);
  await OpenFeature.setContext(context);
  const headers = [["Authorization", `Bearer ${key}`]];
  const provider = new OFREPWebProvider({ baseUrl: url, headers, pollInterval: 100, fetchImplementation: fetchAndNote });
  await OpenFeature.setProviderAndWait(provider);
}

const details = {
  boolean: (...asked) => OpenFeature.getClient().getBooleanDetails(...asked),
  string: (...asked) => OpenFeature.getClient().getStringDetails(...asked),
  number: (...asked) => OpenFeature.getClient().getNumberDetails(...asked),
  object: (...asked) => OpenFeature.getClient().getObjectDetails(...asked),
};

told({
  start,
  evaluate: ({ kind, flag, otherwise }) => details[kind](flag, otherwise),
  become: ({ context }) => OpenFeature.setContext(context),
  noted: () => ({ statuses, changes }),
  stop: () => OpenFeature.close(),
});
