import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { build } from "esbuild";
import { expect, it } from "vitest";
import { openWire, SECRET, socketEndpoint } from "./testing/open-wire.ts";

/** A program that makes one call and then has nothing to do. */
const PROGRAM = `
  import { connectExperts } from "./connect-experts.ts";
  const connection = connectExperts(process.argv[2], { secret: "${SECRET}", fingerprint: "fake", hidden: 4 });
  const inputs = Float32Array.of(1, 2, 3, 4);
  const call = { layer: 1, kernel: "decode", inputs, tokens: Int32Array.of(0), experts: Int32Array.of(1), weights: null };
  const { rows } = await connection.call(call, { deadlineMs: 20_000 });
  console.log(rows.join());
`;

async function bundleProgram(): Promise<string> {
  const { outputFiles } = await build({
    stdin: { contents: PROGRAM, resolveDir: import.meta.dirname, loader: "ts" },
    bundle: true,
    platform: "node",
    target: "node20",
    format: "esm",
    write: false,
  });
  const path = join(dirname((await socketEndpoint("unix")).slice("unix:".length)), "program.mjs");
  await writeFile(path, outputFiles[0]?.contents ?? "");
  return path;
}

it.each(["unix", "tcp", "http"])(
  "a %s connection without a call in flight does not keep its process alive",
  async (type) => {
    const listen = type === "unix" ? await socketEndpoint("unix") : `${type}://127.0.0.1:0`;
    const { server } = await openWire({ listen });
    const { stdout } = await promisify(execFile)(process.execPath, [await bundleProgram(), server.endpoint]);
    expect(stdout).toBe("3,5,7,9\n");
  },
);
