// Atlassian's own checks of the app in the current folder, as `forge lint` runs them, but without a login and a network.
// Prints what they find, as JSON. One linter is left out: it compares calls of REST APIs with the scopes, downloads the
// APIs' descriptions for that, and the pages make no such call.
const { getClientSideLintersOnly, lint } = require("@forge/lint");
const { validate } = require("@forge/manifest");

const quiet = () => {};
const logger = { info: quiet, warn: quiet, error: quiet, debug: quiet, trace: quiet };
const statsig = { getDeprecatedRuntimes: async () => [] };

async function problems(sources) {
  const { errors, manifestObject } = await validate();
  const manifest = manifestObject.typedContent;
  const all = await getClientSideLintersOnly(manifest, "production", logger, statsig);
  const linters = all.filter((one) => one.constructor.name !== "PermissionLinter");
  const found = await lint(sources, manifest, "production", logger, statsig, { linters });
  return [...errors, ...found.flatMap((one) => [...one.errors, ...one.warnings, ...one.approvals])];
}

problems(process.argv.slice(2)).then((found) => console.log(JSON.stringify(found.map((one) => one.message))));
