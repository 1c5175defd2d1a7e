import { loadNative } from "../src/ggml/library.ts";
import { LlamaReference } from "../src/ggml/llama-reference.ts";
import { peakBytes } from "./load.ts";

/** A process that loads a model with libllama, computes a token and says how long the load took. */
const [model = "", threads = "1", contextLength = "512"] = process.argv.slice(2);
const native = loadNative();
const began = performance.now();
const llama = new LlamaReference(native, model, {
  contextLength: Number(contextLength),
  batch: 512,
  threads: Number(threads),
});
const loadMs = performance.now() - began;
llama.decode([1], 0);
process.stdout.write(`${JSON.stringify({ loadMs, peakBytes: peakBytes("self") })}\n`);
process.exit(0);
