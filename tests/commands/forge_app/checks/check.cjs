// Atlassian's own checks of the apps in these folders, as `forge lint` runs them, but without a login and a network.
// Prints what they find in each, as JSON. One linter is left out: it compares calls of REST APIs with the scopes, downloads the
// APIs' descriptions for that, and the pages make no such call.
const { readdirSync } = require("node:fs");
const { getClientSideLintersOnly, lint } = require("@forge/lint");
const { validate } = require("@forge/manifest");

const quiet = () => {};
const logger = { info: quiet, warn: quiet, error: quiet, debug: quiet, trace: quiet };
const statsig = { getDeprecatedRuntimes: async () => [] };

async function problems(app) {
  process.chdir(app);
  const sources = readdirSync("pages", { recursive: true }).filter((name) => name.endsWith(".js"));
  const { errors, manifestObject } = await validate();
  const manifest = manifestObject.typedContent;
  const all = await getClientSideLintersOnly(manifest, "production", logger, statsig);
  const linters = all.filter((one) => one.constructor.name !== "PermissionLinter");
  const found = await lint(sources.map((name) => `pages/${name}`), manifest, "production", logger, statsig, { linters });
  const listed = [...errors, ...found.flatMap((one) => [...one.errors, ...one.warnings, ...one.approvals])];
  return listed.map((one) => one.message);
}

async function all(apps) {
  const found = [];
  for (const app of apps) found.push(await problems(app));
  return found;
}

all(process.argv.slice(2)).then((found) => console.log(JSON.stringify(found)));
