// Asks Split's JavaScript SDK every case of a file, and writes [treatment, label] of each to another.
// Usage: node evaluate.cjs ADDRESS CASES ANSWERS; environment n of the cases is served below ADDRESS/n.
const { readFileSync, writeFileSync } = require("node:fs");
const { SplitFactory } = require("@splitsoftware/splitio");

async function answers(base, cases) {
  const given = [];
  const factory = SplitFactory({
    core: { authorizationKey: "an-sdk-key", labelsEnabled: true },
    streamingEnabled: false,
    urls: { sdk: `${base}/sdk`, events: `${base}/events`, auth: `${base}/auth`, telemetry: `${base}/telemetry` },
    sync: { impressionsMode: "DEBUG" },
    impressionListener: { logImpression: ({ impression }) => given.push([impression.treatment, impression.label]) },
  });
  const client = factory.client();
  await new Promise((ready, failed) => {
    client.on(client.Event.SDK_READY, ready);
    client.on(client.Event.SDK_READY_TIMED_OUT, () => failed(new Error(`not ready: ${base}`)));
  });
  for (const { key, bucketing, flag, attributes } of cases) {
    const who = bucketing === null ? key : { matchingKey: key, bucketingKey: bucketing };
    client.getTreatment(who, flag, attributes ?? undefined);
  }
  while (given.length < cases.length) await new Promise((later) => setTimeout(later, 1)); // the listener is told later
  await client.destroy();
  return given;
}

(async () => {
  const [base, file, answered] = process.argv.slice(2);
  const all = [];
  for (const [number, cases] of JSON.parse(readFileSync(file)).entries()) all.push(await answers(`${base}/${number}`, cases));
  writeFileSync(answered, JSON.stringify(all));
  process.exit(0);
})();
