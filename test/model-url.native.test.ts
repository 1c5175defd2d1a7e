import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { BUNDLED_MODEL } from "../src/engine/testing/bundled-model.ts";
import { temporaryFolder } from "../src/engine/testing/temporary-folder.ts";
import { readGguf } from "../src/gguf/read.ts";
import { FAULTS, RangeServer } from "../src/gguf/testing/range-server.ts";
import { TEST_CERTIFICATE } from "../src/wire/testing/test-certificate.ts";
import { runRemoe } from "./run-remoe.ts";
import { type Leftovers, watchLeftovers } from "./testing/leftovers.ts";
import { type Answer, ask, questions, startSplit } from "./testing/split-system.ts";

const NAME = "tiny-moe.gguf";
const [prompt = ""] = questions(1);
const SPLIT = { remoteRatio: 0.5, expertFunctions: 2, replicas: 1 } as const;
const TEST_MS = 120_000;

let server: RangeServer;
let leftovers: Leftovers;
beforeAll(async () => {
  leftovers = watchLeftovers();
  server = await RangeServer.start(new Map([[NAME, readFileSync(BUNDLED_MODEL)]]));
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  expect(leftovers.found()).toEqual([]);
  leftovers.close();
});

async function answer(model: string | undefined, history?: string): Promise<Answer> {
  const learning = history === undefined ? {} : ({ history: { path: history, privacy: "full" } } as const);
  const system = await startSplit(SPLIT, { model, ...learning });
  leftovers.watch(system.platform);
  try {
    return await ask(system, { prompt, maxTokens: 24, topLogprobs: 5 });
  } finally {
    await system.stop(5_000);
  }
}

describe("a model behind a URL", () => {
  it(
    "answers as the file does, split over functions that download each byte of it once",
    async () => {
      const before = server.bytesAsked;
      const [web, disk] = [await answer(server.url(NAME)), await answer(undefined)];
      expect(web.text).toBe(disk.text);
      expect(web.logprobs).toEqual(disk.logprobs);
      expect(web.trace.experts?.remoteRows).toBeGreaterThan(0);
      const tensorBytes = [...readGguf(BUNDLED_MODEL).tensors.values()].reduce((sum, { bytes }) => sum + bytes, 0);
      // The gateway and three functions read the header; functions have samples of the tensors for their fingerprint.
      const headers = 4 * 512 * 1024;
      const samples = 3 * 18 * 4096;
      expect(server.bytesAsked - before).toBe(tensorBytes + headers + samples);
    },
    TEST_MS,
  );

  it(
    "is learned from like the file: both continue one history",
    async () => {
      const history = join(temporaryFolder(), "requests.history");
      await answer(undefined, history);
      const { trace } = await answer(server.url(NAME), history);
      expect(trace.prediction).not.toBeNull();
    },
    TEST_MS,
  );

  it(
    "is named by its file, and its query is shown nowhere",
    async () => {
      const url = `${server.url(NAME)}?signature=secret`;
      const runs = [
        await runRemoe(["inspect", url, "--json"]),
        await runRemoe(["run", "--json", "--raw", "--max-tokens", "2", "--model", url, "Hello"]),
        await runRemoe(["inspect", url.replace(NAME, "none.gguf")]),
      ];
      expect(runs.map(({ code }) => code)).toEqual([0, 0, 3]);
      expect(JSON.parse(runs[1]?.stdout ?? "")).toMatchObject({ model: "tiny-moe", completionTokens: 2 });
      for (const { stdout, stderr } of runs) expect(stdout + stderr).not.toMatch(/secret|Warning/);
    },
    TEST_MS,
  );

  it(
    "may be behind TLS, which redirects do not leave",
    async () => {
      await using secure = await RangeServer.start(new Map([[NAME, readFileSync(BUNDLED_MODEL)]]), TEST_CERTIFICATE);
      const authority = join(temporaryFolder(), "authority.pem");
      writeFileSync(authority, TEST_CERTIFICATE.cert);
      const inspect = (env: Record<string, string>) => runRemoe(["inspect", secure.url(NAME)], { env });
      expect(await inspect({ NODE_EXTRA_CA_CERTS: authority })).toMatchObject({ code: 0 });
      secure.script(FAULTS.redirect(server.url(NAME)));
      const left = await inspect({ NODE_EXTRA_CA_CERTS: authority });
      expect(left).toMatchObject({ code: 5, stderr: expect.stringContaining("a redirect to http:") });
      expect(await inspect({})).toMatchObject({ code: 5, stderr: expect.stringContaining("self-signed certificate") });
      expect(secure.asked).toHaveLength(2);
    },
    TEST_MS,
  );

  it(
    "is refused when its server gives whole files only",
    async () => {
      server.script(FAULTS.whole);
      const { code, stderr } = await runRemoe(["inspect", server.url(NAME)]);
      expect(code).toBe(2);
      expect(stderr).toContain("does not answer range requests");
    },
    TEST_MS,
  );
});
