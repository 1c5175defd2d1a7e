import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { cliPage } from "../scripts/gen-cli-page.ts";
import { errorsPage } from "../scripts/gen-errors-page.ts";
import { ERRORS } from "../src/core/errors.ts";
import { createMetrics } from "../src/gateway/metrics.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));

/** Files below a folder with one of the endings, as paths from the root. */
function filesOf(folder: string, ending: RegExp): readonly string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" })
    .filter((path) => ending.test(path))
    .map((path) => join(folder, path));
}

const read = (path: string): string => readFileSync(join(ROOT, path), "utf8");

describe("generated pages are up to date (`npm run docs` writes them)", () => {
  it("docs/errors.md", async () => {
    await expect(errorsPage()).toMatchFileSnapshot("../docs/errors.md");
  });

  it("docs/cli.md", async () => {
    await expect(await cliPage()).toMatchFileSnapshot("../docs/cli.md");
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
  const { render } = createMetrics({ version: "0", admissions: [], priceBooks: [], platforms: [], clock: () => 0 });
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
