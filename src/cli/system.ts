import { randomBytes } from "node:crypto";
import { remoeError } from "../core/errors.ts";
import type { RowTransfer } from "../functions/protocol.ts";
import { Admission } from "../gateway/admission.ts";
import { connectMains } from "../gateway/connect-mains.ts";
import { Deployments } from "../gateway/deployments.ts";
import { createPipeline, type Pipeline } from "../gateway/pipeline.ts";
import { fixedPlan, type PlanChooser, type PlanQuery } from "../gateway/plan-choice.ts";
import { openModel } from "../gguf/open-model.ts";
import { modelStem } from "../gguf/split-format.ts";
import type { PriceBook } from "../ledger/price-book.ts";
import { DEFAULT_PRICE_BOOK, PRICE_BOOKS } from "../ledger/price-books.ts";
import type { Plan } from "../planner/plan.ts";
import type { Platform } from "../platform/platform.ts";
import { bundledModel } from "./bundled-model.ts";
import { choosePlan, deviceMemoryMb, type PlanOptions } from "./choose-plan.ts";
import { createNamedPlatform, type PlatformName } from "./create-named-platform.ts";
import { createPlanning, type PlanningChoice, type PlanningContext } from "./create-planning.ts";
import { type ProgramOptions, toModelProgram } from "./model-program.ts";
import { type HistoryChoice, type OpenLearning, openLearning } from "./open-learning.ts";
import { readServedModel } from "./served-model.ts";

export interface SystemOptions extends ProgramOptions {
  /** Path or URL of a model file. Defaults to the bundled tiny-moe. */
  readonly model?: string | undefined;
  /** The name clients ask for. Defaults to the file's, without part number and ending. */
  readonly alias?: string | undefined;
  /** Defaults to as many requests as a main function computes at the same time, and 64 waiting. */
  readonly admission?: Admission | undefined;
  /** Past requests, to predict from and to add to. Defaults to none. */
  readonly history?: HistoryChoice | undefined;
  /** Where the experts are. Defaults to all of them in the main function, or to what `planning` says. */
  readonly plan?: PlanOptions | undefined;
  /** Decides for each request where experts are; not together with `plan`. */
  readonly planning?: PlanningChoice | undefined;
  /** What expert functions send back. Defaults to `f32`. */
  readonly rows?: RowTransfer | undefined;
  /** Defaults to that of AWS Lambda. */
  readonly priceBook?: PriceBook | undefined;
  /** Defaults to local processes. */
  readonly platform?: PlatformName | undefined;
  /** Path of the settings that the platform `kubernetes` needs. */
  readonly kubernetesSettings?: string | undefined;
  /** How long functions stay warm without a request. Defaults to 10 minutes. */
  readonly keepAliveMs?: number | undefined;
}

/** A model being served: the gateway's side of it here, its functions on a platform. */
export interface System {
  readonly pipeline: Pipeline;
  readonly platform: Platform;
  /** Whose functions were started before the first request; `null` where each request decides. */
  readonly plan: Plan | null;
  readonly model: { readonly id: string; readonly path: string; readonly contextLength: number };
  /** Running requests end until the deadline; then functions are killed. Nothing is left behind. */
  stop(deadlineMs: number): Promise<void>;
}

/** What a first request is taken to be where no history tells. */
const USUAL_QUERY: PlanQuery = { promptTokens: 128, maxTokens: 257, expectation: null };
/** The bundled model answers to its own name, without the quantisation. */
const BUNDLED_NAME = "tiny-moe";

/**
 * Starts everything one model needs. The functions' cold start and the vocabulary's load overlap.
 * @throws MODEL_NOT_FOUND, MODEL_* for a file that is no model Remoe runs, PLAN_INVALID, FUNCTION_*
 */
export async function startSystem(options: SystemOptions, asked?: AbortSignal): Promise<System> {
  const file = await openModel(options.model ?? bundledModel(), { signal: asked });
  const program = toModelProgram(file, options);
  const clock = () => performance.now();
  const { admission = new Admission({ clock, concurrency: program.parallel }) } = options;
  const { priceBook = PRICE_BOOKS.get(DEFAULT_PRICE_BOOK) as PriceBook, rows = "f32", keepAliveMs } = options;
  // In a cluster it comes from a Secret, so that a gateway needs no right to make one.
  const secret = process.env["REMOE_FUNCTION_SECRET"] ?? randomBytes(32).toString("hex");
  const { platform, turns, release } = await createNamedPlatform(options.platform ?? "local", {
    secret,
    keepAliveMs,
    kubernetesSettings: options.kubernetesSettings,
  });
  const closing = new AbortController();
  const signal = asked === undefined ? closing.signal : AbortSignal.any([asked, closing.signal]);
  let opened: OpenLearning | null = null;
  const stop = async (deadlineMs: number): Promise<void> => {
    closing.abort(remoeError("SHUTTING_DOWN", { retryAfterS: 1 }));
    await platform.close(deadlineMs);
    await opened?.close();
    await release();
  };
  try {
    const deployments = new Deployments({
      platform,
      program,
      connect: connectMains(secret, clock),
      rows,
      rounding: priceBook.rounding,
      gpuMemoryMb: deviceMemoryMb(file, program),
    });
    const placing = placeExperts(options, { file, program, priceBook, deployments, admission, signal });
    if (options.history !== undefined) opened = await openLearning(file, { ...options.history, turns }, signal);
    const modelId = options.alias ?? (options.model === undefined ? BUNDLED_NAME : modelStem(file.path));
    const model = readServedModel(file, modelId, program.contextLength);
    const pipeline = createPipeline({
      model,
      chooser: placing.chooser,
      priceBook,
      acquire: (plan, requestSignal) => deployments.acquire(plan, requestSignal),
      expectStart: () => deployments.expectStart(),
      learning: opened?.learning,
      clock,
      admission,
    });
    const plan = await placing.ready(opened?.typical ?? USUAL_QUERY);
    const { id, contextLength } = model;
    return { pipeline, platform, plan, model: { id, path: file.path, contextLength }, stop };
  } catch (error) {
    await stop(0);
    throw error;
  }
}

interface Placing {
  readonly chooser: PlanChooser;
  /** Waits for functions that are started before the first request. → their plan, `null` if there are none */
  ready(typical: PlanQuery): Promise<Plan | null>;
}

/** A plan that is given has its functions started at once, while other things load. @throws PLAN_INVALID, PROFILE_* */
function placeExperts({ plan: given, planning }: SystemOptions, context: PlanningContext): Placing {
  const { file, program, deployments, signal } = context;
  if (planning !== undefined) {
    const chooser = createPlanning(planning, context);
    return { chooser, ready: async (typical) => (planning.reuse ? await chooser.start(typical) : null) };
  }
  const plan = choosePlan(file, program, given);
  const started = deployments.start(plan, signal).then(() => plan);
  // What loads meanwhile may fail first.
  started.catch(() => {});
  return { chooser: fixedPlan(plan), ready: () => started };
}
