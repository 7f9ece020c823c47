// A server that evaluates through OpenFeature, with its official OFREP provider.
const { OFREPProvider } = require("@openfeature/ofrep-provider");
const { OpenFeature } = require("@openfeature/server-sdk");
const told = require("./told.cjs");

async function start({ url, key }) {
  await OpenFeature.setProviderAndWait(new OFREPProvider({ baseUrl: url, headers: [["Authorization", `Bearer ${key}`]] }));
}

const details = {
  boolean: (...asked) => OpenFeature.getClient().getBooleanDetails(...asked),
  string: (...asked) => OpenFeature.getClient().getStringDetails(...asked),
  number: (...asked) => OpenFeature.getClient().getNumberDetails(...asked),
  object: (...asked) => OpenFeature.getClient().getObjectDetails(...asked),
};

told({ start, evaluate: ({ kind, flag, otherwise, context }) => details[kind](flag, otherwise, context) });
