import { AdoptedExperts } from "../engine/adopted-experts.ts";
import { Engine } from "../engine/engine.ts";
import { expertsFootprint, mainFootprint } from "../engine/footprint.ts";
import { BATCH_TOKENS } from "../engine/pass-strategy.ts";
import { cpuPlacement } from "../engine/tensor-loader.ts";
import type { Native } from "../ggml/library.ts";
import { modelFingerprint } from "../gguf/fingerprint.ts";
import { openModel } from "../gguf/open-model.ts";
import { Adoption } from "./adoption.ts";
import { serveMain } from "./main-server.ts";
import { MainService } from "./main-service.ts";
import { checkMemory } from "./memory-limit.ts";
import { ReplicaPool } from "./replica-pool.ts";
import type { ServeStart, Serving } from "./serving.ts";
import type { MainProgram } from "./spec.ts";

/** What reading an expert from the file takes for a moment. */
const READ_BYTES = 16 * 2 ** 20;

/** @throws FUNCTION_MEMORY_TOO_SMALL, MODEL_* */
export async function startMain(native: Native, program: MainProgram, start: ServeStart): Promise<Serving> {
  const file = await openModel(program.model);
  const { contextLength, parallel, threads, numerics, device } = program;
  const needs = { contextLength, parallel, threads, numerics, experts: program.experts ?? undefined };
  const leftBytes = checkMemory(start, mainFootprint(file, needs));
  const [engine, fingerprint] = await Promise.all([
    Engine.load(native, file, { ...needs, device }),
    modelFingerprint(file),
  ]);
  const clock = () => performance.now();
  const work = expertsFootprint(file, { experts: [], threads, maxTokens: BATCH_TOKENS });
  const adoption = new Adoption(
    () =>
      new AdoptedExperts(native, file, {
        placement: cpuPlacement(native),
        memoryBytes: Math.max(0, leftBytes - work.bufferBytes - READ_BYTES),
        threads,
        maxTokens: BATCH_TOKENS,
      }),
  );
  const replicas = new ReplicaPool({
    secret: start.secret,
    vcpus: start.vcpus,
    fingerprint,
    hidden: engine.hyper.hidden,
    clock,
  });
  const service = new MainService({ engine, replicas, adoption, clock });
  const { endpoint, drain } = await serveMain(service, { ...start, parallel });
  return { endpoint, weightBytes: engine.weightBytes, drain };
}
