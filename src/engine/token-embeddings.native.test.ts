import { join } from "node:path";
import { expect, it } from "vitest";
import { GraphBuilder } from "../ggml/graph-builder.ts";
import { loadNative } from "../ggml/library.ts";
import { f32, i32, NamedTensors } from "../ggml/named-tensors.ts";
import { type GgufFile, readGguf } from "../gguf/read.ts";
import { gateMatrices } from "../model/gate-matrices.ts";
import type { SynthQuantName } from "../model/synth/quants.ts";
import { TokenEmbeddings } from "../model/token-embeddings.ts";
import { type LoadedRuntime, loadRuntime } from "./load-runtime.ts";
import { BUNDLED_MODEL } from "./testing/bundled-model.ts";
import { countHeld } from "./testing/counting-native.ts";
import { temporaryFolder } from "./testing/temporary-folder.ts";
import { writeTestModel } from "./testing/write-test-model.ts";

const native = loadNative();
const QUANTS: readonly SynthQuantName[] = ["F32", "F16", "Q8_0", "Q4_0", "Q4_K", "Q6_K"];

/** Rows that blocks of every type fill. */
const WIDE = { hidden: 256, heads: 4, headWidth: 64, expertWidth: 256 };
const random = (quant: SynthQuantName): GgufFile =>
  writeTestModel({ path: join(temporaryFolder(), "m.gguf"), quant, shape: WIDE });

/** What the engine's own graph makes of tokens: [hidden, tokens] */
function embed({ runtime }: LoadedRuntime, tokens: readonly number[]): Float32Array {
  const { transformer, backend, hyper, weights } = runtime;
  using io = new NamedTensors(native, backend.bufferType, {
    tokens: i32(tokens.length),
    positions: i32(tokens.length),
    values: f32(hyper.hidden, tokens.length),
  });
  using g = new GraphBuilder(native, 16);
  io.views.tokens.set(tokens);
  g.expand(io.pin(g, transformer.embed(g, weights, io.tensors.tokens, io.tensors.positions), "values"));
  backend.compute(g.graph);
  return io.views.values.slice();
}

it.each<readonly [string, () => GgufFile]>([
  ["bundled model", () => readGguf(BUNDLED_MODEL)],
  ...QUANTS.map((quant) => [`random weights in ${quant}`, () => random(quant)] as const),
])("token embeddings are the engine's, bit for bit (%s)", async (_, read) => {
  const file = read();
  using loaded = await loadRuntime(native, file, { threads: 1, contextLength: 64 });
  using embeddings = new TokenEmbeddings(native, file);
  const { hidden, vocabulary } = loaded.runtime.hyper;
  const tokens = [0, 1, vocabulary - 1, 17, 1, 200];
  const expected = embed(loaded, tokens);
  expect(embeddings.dimensions).toBe(hidden);
  const embedding = await embeddings.of(tokens);
  for (const [i, token] of tokens.entries()) {
    expect(embedding(token)).toEqual(expected.slice(i * hidden, (i + 1) * hidden));
  }
});

it("everything taken of the native library is given back", async () => {
  const counting = countHeld(native);
  const file = readGguf(BUNDLED_MODEL);
  {
    using embeddings = new TokenEmbeddings(counting.native, file);
    await embeddings.of([1]);
    await gateMatrices(counting.native, file);
    expect(counting.held()["ggml_backend_buft_alloc_buffer"]).toBeGreaterThan(0);
  }
  expect(Object.values(counting.held()).every((count) => count === 0)).toBe(true);
});
