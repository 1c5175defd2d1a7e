import { ExpertEngine } from "../engine/expert-engine.ts";
import { expertsFootprint } from "../engine/footprint.ts";
import { BATCH_TOKENS } from "../engine/pass-strategy.ts";
import { cpuPlacement } from "../engine/tensor-loader.ts";
import type { Native } from "../ggml/library.ts";
import { modelFingerprint } from "../gguf/fingerprint.ts";
import { openModel } from "../gguf/open-model.ts";
import type { ExpertCall, ExpertHandler } from "../wire/expert-call.ts";
import { serveExperts } from "../wire/serve-experts.ts";
import { checkMemory } from "./memory-limit.ts";
import type { ServeStart, Serving } from "./serving.ts";
import type { ExpertsProgram } from "./spec.ts";
import { waitAwake } from "./wait-awake.ts";

/** @throws FUNCTION_MEMORY_TOO_SMALL, MODEL_* */
export async function startExperts(native: Native, program: ExpertsProgram, start: ServeStart): Promise<Serving> {
  const file = await openModel(program.model);
  const { threads, experts } = program;
  checkMemory(start, expertsFootprint(file, { experts, threads, maxTokens: BATCH_TOKENS }));
  const options = { selection: experts, threads, maxTokens: BATCH_TOKENS };
  const [engine, fingerprint] = await Promise.all([
    ExpertEngine.load(native, file, cpuPlacement(native), options),
    modelFingerprint(file),
  ]);
  const handler = toHandler(engine, { fingerprint, experts });
  const { listen, secret, vcpus, routes = {} } = start;
  const { endpoint, drain } = await serveExperts(handler, listen, { secret, routes, ...waitAwake(vcpus) });
  return { endpoint, weightBytes: engine.weightBytes, drain };
}

function toHandler(
  engine: ExpertEngine,
  { fingerprint, experts: selection }: { readonly fingerprint: string; readonly experts: ExpertsProgram["experts"] },
): ExpertHandler {
  const { hidden, expertsPerToken } = engine.hyper;
  const held = selection.map((experts) => new Set(experts));
  return {
    fingerprint,
    hidden,
    expertsPerToken,
    maxTokens: BATCH_TOKENS,
    holds: (layer, expert) => held[layer]?.has(expert) === true,
    async compute({ layer, kernel, inputs, tokens, experts }: ExpertCall): Promise<Float32Array> {
      const count = experts.length;
      const slots = Int32Array.from({ length: count }, (_, row) => row);
      const outputs = new Float32Array(count * hidden);
      const rows = { count, tokens, experts, slots };
      await engine.compute({ layer, kernel, inputs, rows, outputs, weights: new Float32Array(0) });
      return outputs;
    },
  };
}
