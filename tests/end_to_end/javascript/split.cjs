// An application with Split's JavaScript SDK, in the build for servers or in the one for browsers and apps.
const told = require("./told.cjs");

const builds = { server: "@splitsoftware/splitio", client: "@splitsoftware/splitio/client" };
const noneOfItsLogs = { debug: false };
let factory, build, given;

function ready(client) {
  return new Promise((done, failed) => {
    client.on(client.Event.SDK_READY, done);
    client.on(client.Event.SDK_READY_TIMED_OUT, () => failed(new Error("not ready in time")));
  });
}

async function start(how) {
  given = [];
  build = how.build;
  const { SplitFactory } = require(builds[build]);
  const url = `${how.url}/sdk`;
  factory = SplitFactory({
    core: { authorizationKey: how.key, labelsEnabled: true, ...(build === "client" && { key: "somebody" }) },
    streamingEnabled: false,
    urls: { sdk: url, events: url, auth: url, telemetry: url },
    startup: { readyTimeout: how.patience ?? 20, requestTimeoutBeforeReady: 20, retriesOnFailureBeforeReady: 1 },
    scheduler: { featuresRefreshRate: how.refresh ?? 3600, segmentsRefreshRate: how.refresh ?? 3600 },
    sync: { impressionsMode: "DEBUG" },
    impressionListener: { logImpression: ({ impression }) => given.push([impression.treatment, impression.label]) },
    ...noneOfItsLogs,
  });
  await ready(factory.client());
}

function who({ key, bucketing }) {
  return bucketing == null ? key : { matchingKey: key, bucketingKey: bucketing };
}

// In the build for browsers a client is for one key, whose segments it asks for before it is ready.
const clients = new Map();
async function clientOf(one) {
  const name = JSON.stringify([one.key, one.bucketing]);
  if (!clients.has(name)) {
    const client = factory.client(who(one));
    clients.set(name, client);
    await ready(client);
  }
  return clients.get(name);
}

async function treatment(one) {
  if (build === "server") return factory.client().getTreatment(who(one), one.flag, one.attributes ?? undefined);
  return (await clientOf(one)).getTreatment(one.flag, one.attributes ?? undefined);
}

async function ask({ cases }) {
  given = [];
  for (const one of cases) await treatment(one);
  while (given.length < cases.length) await new Promise((later) => setTimeout(later, 1)); // the listener is told later
  return given;
}

async function stop() {
  await Promise.all([...clients.values()].map((one) => one.destroy()));
  clients.clear();
  await factory.client().destroy();
}

told({ start, ask, treatment, stop });
