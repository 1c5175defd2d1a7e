import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import type { ModelsBenchmark } from "../bench/models.ts";
import { cliPage } from "../scripts/gen-cli-page.ts";
import { errorsPage } from "../scripts/gen-errors-page.ts";
import { modelsPage } from "../scripts/gen-models-page.ts";
import { ERRORS } from "../src/core/errors.ts";
import { createMetrics } from "../src/gateway/metrics.ts";
import { SUPPORTED_ARCHITECTURES } from "../src/model/registry.ts";
import { SYNTH_QUANTS } from "../src/model/synth/quants.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));

/** Files below a folder with one of the endings, as paths from the root. */
function filesOf(folder: string, ending: RegExp): readonly string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" })
    .filter((path) => ending.test(path))
    .map((path) => join(folder, path));
}

const read = (path: string): string => readFileSync(join(ROOT, path), "utf8");

const models = JSON.parse(read("bench/results/2026-11-22-epyc-2core/models.json")) as ModelsBenchmark;

describe("generated pages are up to date (`npm run docs` writes them)", () => {
  it("docs/errors.md", async () => {
    await expect(errorsPage()).toMatchFileSnapshot("../docs/errors.md");
  });

  it("docs/cli.md", async () => {
    await expect(await cliPage()).toMatchFileSnapshot("../docs/cli.md");
  });

  it("docs/models.md", async () => {
    await expect(modelsPage(read("docs/models.md"), models)).toMatchFileSnapshot("../docs/models.md");
  });
});

describe("the compatibility matrix", () => {
  it("has every architecture that is supported, and names them all", () => {
    const architectures = [...new Set(models.checked.map(({ architecture }) => architecture))].sort();
    expect(architectures).toEqual(SUPPORTED_ARCHITECTURES.toSorted());
    const named = [...read("docs/models.md").matchAll(/^\| `([\w-]+)` +\| [^0-9]/gm)].map(([, name]) => name);
    expect(named).toEqual(expect.arrayContaining(architectures));
  });

  it.each(models.checked)("$shape: nothing is wrong in any quantisation", ({ problems }) => {
    expect(Object.keys(problems)).toEqual(Object.keys(SYNTH_QUANTS));
    expect(Object.values(problems).flat()).toEqual([]);
  });
});

describe("the error catalogue", () => {
  const sources = filesOf("src", /^(?!.*testing\/).*(?<!\.test)\.ts$/).filter((path) => path !== "src/core/errors.ts");
  const named = new Set(sources.flatMap((path) => read(path).match(/"[A-Z][A-Z_]+"/g) ?? []));

  it.each(Object.keys(ERRORS))("%s is raised somewhere", (code) => {
    expect(named.has(`"${code}"`)).toBe(true);
  });
});

it("docs/guide/api.md lists exactly the metrics there are", async () => {
  const { render } = createMetrics({ version: "0", admissions: [], priceBooks: [], platforms: [] });
  const defined = [...(await render()).matchAll(/^# TYPE (\w+)/gm)].map(([, name]) => name);
  const documented = [...read("docs/guide/api.md").matchAll(/`(remoe_\w+)/g)].map(([, name]) => name);
  expect(documented.toSorted()).toEqual(defined.toSorted());
});

describe("pages for people", () => {
  const guides = filesOf("docs", /\.md$/);
  const pages = ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "models/tiny-moe/README.md", ...guides];

  it.each(pages)("%s links to files that exist", (page) => {
    const targets = [...read(page).matchAll(/\]\((?!https?:|#)([^)#]+)[^)]*\)/g)].map(([, target = ""]) => target);
    const missing = targets.filter((target) => !existsSync(join(ROOT, dirname(page), target)));
    expect(missing).toEqual([]);
  });

  it.each(["README.md", ...guides])("%s names source files that exist", (page) => {
    const named = [...read(page).matchAll(/`((?:src|bench|scripts|test|examples)\/[\w./-]+\.\w+)`/g)].map(
      ([, path = ""]) => path,
    );
    expect(named.filter((path) => !existsSync(join(ROOT, path)))).toEqual([]);
  });
});
