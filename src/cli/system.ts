import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { availableParallelism } from "node:os";
import { basename } from "node:path";
import { remoeError } from "../core/errors.ts";
import type { Numerics } from "../engine/forward-passes.ts";
import type { RowTransfer } from "../functions/protocol.ts";
import type { AcquiredFunctions } from "../gateway/acquired-functions.ts";
import type { Admission } from "../gateway/admission.ts";
import { connectMains } from "../gateway/connect-mains.ts";
import { acquireFunctions, type FunctionSetOptions } from "../gateway/function-set.ts";
import { type ModelProgram, toFunctionSpecs } from "../gateway/function-specs.ts";
import { createPipeline, type Pipeline } from "../gateway/pipeline.ts";
import { type GgufFile, readGguf } from "../gguf/read.ts";
import type { PriceBook } from "../ledger/price-book.ts";
import { DEFAULT_PRICE_BOOK, PRICE_BOOKS } from "../ledger/price-books.ts";
import { architectureOf } from "../model/registry.ts";
import type { Plan } from "../planner/plan.ts";
import type { Platform } from "../platform/platform.ts";
import { bundledModel } from "./bundled-model.ts";
import { choosePlan, deviceMemoryMb, type PlanOptions } from "./choose-plan.ts";
import { createNamedPlatform, type PlatformName } from "./create-named-platform.ts";
import { type HistoryChoice, type OpenLearning, openLearning } from "./open-learning.ts";
import { chooseContext, readServedModel } from "./served-model.ts";

export interface SystemOptions {
  /** Path of a model file. Defaults to the bundled tiny-moe. */
  readonly model?: string | undefined;
  /** The name clients ask for. Defaults to the file's, without its ending. */
  readonly alias?: string | undefined;
  /** Defaults to the model's own context, at most {@link DEFAULT_CONTEXT}. */
  readonly contextLength?: number | undefined;
  /** Threads of the main function. Defaults to its processors, which follow from its memory. */
  readonly threads?: number | undefined;
  /** ggml device for everything but the experts. */
  readonly device?: string | undefined;
  readonly numerics?: Numerics | undefined;
  /** Defaults to one request at a time and 64 waiting. */
  readonly admission?: Admission | undefined;
  /** Past requests, to predict from and to add to. Defaults to none. */
  readonly history?: HistoryChoice | undefined;
  /** Where the experts are. Defaults to all of them in the main function. */
  readonly plan?: PlanOptions | undefined;
  /** What expert functions send back. Defaults to `f32`. */
  readonly rows?: RowTransfer | undefined;
  /** Defaults to that of AWS Lambda. */
  readonly priceBook?: PriceBook | undefined;
  /** Defaults to local processes. */
  readonly platform?: PlatformName | undefined;
  /** How long functions stay warm without a request. Defaults to 10 minutes. */
  readonly keepAliveMs?: number | undefined;
}

/** A model being served: the gateway's side of it here, its functions on a platform. */
export interface System {
  readonly pipeline: Pipeline;
  readonly platform: Platform;
  readonly plan: Plan;
  readonly model: { readonly id: string; readonly path: string; readonly contextLength: number };
  /** Running requests end until the deadline; then functions are killed. Nothing is left behind. */
  stop(deadlineMs: number): Promise<void>;
}

/** The bundled model answers to its own name, without the quantisation. */
const BUNDLED_NAME = "tiny-moe";

/**
 * Starts everything one model needs. The functions' cold start and the vocabulary's load overlap.
 * @throws MODEL_NOT_FOUND, MODEL_* for a file that is no model Remoe runs, PLAN_INVALID, FUNCTION_*
 */
export async function startSystem(options: SystemOptions, signal?: AbortSignal): Promise<System> {
  const path = options.model ?? bundledModel();
  if (!existsSync(path)) throw remoeError("MODEL_NOT_FOUND", { path });
  const file = readGguf(path);
  const program = toModelProgram(file, options);
  const plan = choosePlan(file, program, options.plan);
  const { priceBook = PRICE_BOOKS.get(DEFAULT_PRICE_BOOK) as PriceBook, rows = "f32", keepAliveMs } = options;
  const secret = randomBytes(32).toString("hex");
  const platform = await createNamedPlatform(options.platform ?? "local", { secret, keepAliveMs });
  const functions = acquireEarly(
    {
      platform,
      specs: toFunctionSpecs(plan, program),
      connect: connectMains(secret),
      rows,
      rounding: priceBook.rounding,
      gpuMemoryMb: deviceMemoryMb(file, program),
      clock: () => performance.now(),
    },
    signal,
  );
  let opened: OpenLearning | null = null;
  const stop = async (deadlineMs: number): Promise<void> => {
    await platform.close(deadlineMs);
    await opened?.close();
  };
  try {
    if (options.history !== undefined) opened = await openLearning(file, options.history, signal);
    const modelId = options.alias ?? (options.model === undefined ? BUNDLED_NAME : basename(path, ".gguf"));
    const model = readServedModel(file, modelId, program.contextLength);
    const pipeline = createPipeline({
      model,
      plan,
      priceBook,
      acquire: functions.acquire,
      learning: opened?.learning,
      clock: () => performance.now(),
      ...(options.admission === undefined ? {} : { admission: options.admission }),
    });
    await functions.ready;
    const { id, contextLength } = model;
    return { pipeline, platform, plan, model: { id, path, contextLength }, stop };
  } catch (error) {
    await stop(0);
    throw error;
  }
}

function toModelProgram(file: GgufFile, options: SystemOptions): ModelProgram {
  const { layers, experts, contextLength: trained } = architectureOf(file).hyperParameters(file);
  const contextLength = chooseContext(trained, options.contextLength);
  return {
    model: file.path,
    layers,
    experts,
    contextLength,
    numerics: options.numerics ?? "default",
    device: options.device ?? null,
    threads: options.threads ?? null,
    processors: availableParallelism(),
  };
}

/** Functions that were started for nobody yet go back to the platform after this long, and may be stopped there. */
const EARLY_MS = 60_000;

/** Starts the functions before the first request, which takes them over with their cold start. */
function acquireEarly(
  options: FunctionSetOptions,
  signal = new AbortController().signal,
): { readonly ready: Promise<unknown>; acquire(signal: AbortSignal): Promise<AcquiredFunctions> } {
  const ready = acquireFunctions(options, signal);
  let early: Promise<AcquiredFunctions> | null = ready;
  const giveBack = (functions: AcquiredFunctions): void => {
    if (early === null) return;
    early = null;
    functions.release();
  };
  ready.then(
    (functions) => void setTimeout(giveBack, EARLY_MS, functions).unref(),
    () => {},
  );
  return {
    ready,
    acquire(requestSignal) {
      const functions = early ?? acquireFunctions(options, requestSignal);
      early = null;
      return functions;
    },
  };
}
