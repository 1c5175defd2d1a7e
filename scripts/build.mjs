import { existsSync, readdirSync, rmSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = fileURLToPath(new URL("..", import.meta.url));
const chunks = join(root, "dist", "chunks");

/** Packages in the older module format call `require` for Node's own modules. */
const REQUIRE =
  'import { createRequire as requireFrom } from "node:module"; const require = requireFrom(import.meta.url);';

/** @type {import("esbuild").BuildOptions} */
const shared = {
  absWorkingDir: root,
  bundle: true,
  outdir: "dist",
  outbase: "src",
  format: "esm",
  platform: "node",
  target: "node20",
  packages: "external",
  sourcemap: true,
  logLevel: "warning",
};

const [application] = await Promise.all([
  build({
    ...shared,
    entryPoints: ["src/cli/main.ts", "src/index.ts"],
    splitting: true,
    chunkNames: "chunks/[name]-[hash]",
    metafile: true,
  }),
  // One file: a cold start must not search for modules.
  build({ ...shared, entryPoints: ["src/functions/program.ts"] }),
  // One file with its packages: an image needs no folder of modules. Native code has files of its own.
  build({
    ...shared,
    entryPoints: [{ in: "src/cli/main.ts", out: "container/remoe" }],
    packages: "bundle",
    external: ["koffi", "@node-llama-cpp/*"],
    outExtension: { ".js": ".mjs" },
    banner: { js: REQUIRE },
    sourcemap: false,
  }),
  build({ ...shared, entryPoints: ["bench/llama-load.ts", "bench/wire-server.ts"], outbase: "." }),
]).catch(() => process.exit(1)); // esbuild has said why
removeStaleChunks(Object.keys(application.metafile.outputs));

/** Chunks have hashes in their names, so every change leaves the old ones behind. */
function removeStaleChunks(/** @type {string[]} */ outputs) {
  const files = existsSync(chunks) ? readdirSync(chunks) : [];
  for (const file of files.map((name) => join(chunks, name))) {
    if (!outputs.includes(relative(root, file))) rmSync(file, { force: true });
  }
}
