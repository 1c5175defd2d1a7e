import { readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { allExperts, type ExpertSelection } from "../engine/expert-bank.ts";
import { BUNDLED_MODEL } from "../engine/testing/bundled-model.ts";
import { joinRanges, type Range } from "../engine/testing/join-ranges.ts";
import { temporaryFolder } from "../engine/testing/temporary-folder.ts";
import { loadNative } from "../ggml/library.ts";
import type { FileSlab } from "../gguf/experts.ts";
import { readGguf } from "../gguf/read.ts";
import { FAULTS, RangeServer } from "../gguf/testing/range-server.ts";
import { readTransformer } from "../model/registry.ts";
import { startExperts } from "./experts-role.ts";
import { startMain } from "./main-role.ts";
import type { ExpertsProgram, FunctionProgram, FunctionStart, MainProgram } from "./spec.ts";

const native = loadNative();
const file = readGguf(BUNDLED_MODEL);
const { experts: tensors, weights, hyper } = readTransformer(file);
const NAME = "tiny-moe.gguf";

/** A header of this size comes in one piece. */
const HEADER_BYTES = 512 * 1024;
const SAMPLE_BYTES = 18 * 4096;

let content: Uint8Array;
beforeAll(() => {
  content = readFileSync(BUNDLED_MODEL);
});

function startWith<Program extends FunctionProgram>(program: Program): [Program, FunctionStart] {
  const listen = `unix:${join(temporaryFolder(), "function.sock")}`;
  const secret = "0".repeat(64);
  return [program, { name: "f", program, memoryMb: 4096, vcpus: 1, listen, secret, spawnedAt: 0 }];
}

const expertsProgram = (model: string, experts: ExpertSelection): ExpertsProgram => ({
  role: "experts",
  model,
  threads: 1,
  experts,
});

const mainProgram = (model: string, experts: ExpertSelection): MainProgram => ({
  role: "main",
  model,
  contextLength: 128,
  parallel: 1,
  threads: 1,
  numerics: "default",
  device: null,
  experts,
});

function expertSlabs(selection: ExpertSelection): FileSlab[] {
  return tensors.flatMap(({ gate, up, down }, layer) =>
    (selection[layer] ?? []).flatMap((expert) => [gate, up, down].flatMap((tensor) => tensor?.slab(expert) ?? [])),
  );
}

/** Splits what was asked into header, samples of the fingerprint and the rest, which are weights. */
function account(server: RangeServer): { header: Range[]; samples: Range[]; weights: Range[] } {
  const [header, ...others] = server.asked.map(({ first, last }) => ({ offset: first, bytes: last - first + 1 }));
  const isSample = ({ bytes }: Range) => bytes === SAMPLE_BYTES / 18;
  return {
    header: header === undefined ? [] : [header],
    samples: others.filter(isSample),
    weights: joinRanges(others.filter((range) => !isSample(range))),
  };
}

const sum = (ranges: readonly Range[]): number => ranges.reduce((total, { bytes }) => total + bytes, 0);

const some: ExpertSelection = tensors.map((_, layer) => [layer, 15 - layer]);
const rest = allExperts(hyper.layers, hyper.experts).map((all, layer) =>
  all.filter((expert) => some[layer]?.includes(expert) === false),
);

describe("a function whose model is behind a URL downloads its header, samples, and", () => {
  it("its experts", async () => {
    await using server = await RangeServer.start(new Map([[NAME, content]]));
    const { drain, weightBytes } = await startExperts(native, ...startWith(expertsProgram(server.url(NAME), some)));
    await drain();
    const asked = account(server);
    expect(asked.header).toEqual([{ offset: 0, bytes: HEADER_BYTES }]);
    expect(sum(asked.samples)).toBe(SAMPLE_BYTES);
    expect(asked.weights).toEqual(joinRanges(expertSlabs(some)));
    expect(sum(asked.weights)).toBe(weightBytes);
  });

  it("its experts and everything that is no expert", async () => {
    await using server = await RangeServer.start(new Map([[NAME, content]]));
    const { drain } = await startMain(native, ...startWith(mainProgram(server.url(NAME), rest)));
    await drain();
    const asked = account(server);
    const unique = new Map(weights.flatMap(({ parts }) => parts.map((part) => [part.offset, part])));
    expect(sum(asked.samples)).toBe(SAMPLE_BYTES);
    expect(sum(asked.weights)).toBe(sum(expertSlabs(rest)) + sum([...unique.values()]));
    expect(server.bytesAsked).toBe(HEADER_BYTES + SAMPLE_BYTES + sum(asked.weights));
  });
});

it("a function whose model changes while it starts does not start", async () => {
  await using server = await RangeServer.start(new Map([[NAME, content]]));
  server.script(FAULTS.none, FAULTS.none, FAULTS.none, FAULTS.claim({ etag: '"second"' }));
  const starting = startExperts(native, ...startWith(expertsProgram(server.url(NAME), some)));
  await expect(starting).rejects.toMatchObject({ code: "MODEL_CHANGED" });
});
