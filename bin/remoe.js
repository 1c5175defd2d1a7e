#!/usr/bin/env node
// Old Nodes must be able to read this file and say what is wrong: no syntax here that is younger than `import()`.
const MINIMUM = [20, 19];
const PROGRAM = "../dist/cli/main.js"; // a variable, because it is not there before the build
const [major, minor] = process.versions.node.split(".").map(Number);

if (major < MINIMUM[0] || (major === MINIMUM[0] && minor < MINIMUM[1])) {
  fail(
    `Remoe needs Node.js ${MINIMUM.join(".")} or newer, this is ${process.versions.node}`,
    "Install a newer Node.js.",
  );
} else {
  import(PROGRAM).catch(explain);
}

function explain(error) {
  const missing = error.code === "ERR_MODULE_NOT_FOUND" && /main\.js' imported from/.test(error.message);
  if (!missing) throw error;
  fail("Remoe is not built yet", "Run `npm run build` in its folder.");
}

function fail(problem, hint) {
  process.stderr.write(`error: ${problem}\nhint: ${hint}\n`);
  process.exitCode = 1;
}
