import { readFileSync } from "node:fs";
import { remoeError } from "../core/errors.ts";
import { expertsFootprint, type Footprint, footprintBytes, mainFootprint } from "../engine/footprint.ts";
import { BATCH_TOKENS } from "../engine/pass-strategy.ts";
import { localExperts, type ModelProgram, usableProcessors } from "../gateway/function-specs.ts";
import type { GgufFile } from "../gguf/read.ts";
import { parsePlan } from "../planner/parse-plan.ts";
import type { ExpertSelection, Plan } from "../planner/plan.ts";
import { uniformLayers } from "../planner/uniform-plan.ts";

/** How a user says where experts are. */
export interface PlanOptions {
  /** A plan file; the other options do not matter then. */
  readonly file?: string | undefined;
  /** The plan itself; the other options do not matter then. */
  readonly made?: Plan | undefined;
  /** b: share of each layer's experts that is remote. Defaults to 0. */
  readonly remoteRatio?: number | undefined;
  /** Expert functions; by default as many as have clearly more weights than a process costs by itself. */
  readonly expertFunctions?: number | undefined;
  /** Instances of each expert function. Defaults to 1. */
  readonly replicas?: number | undefined;
  /** Of the main function, in MiB; by default what it needs, and one processor for each thread. */
  readonly memoryMb?: number | undefined;
  /** Of an expert function, in MiB; by default what it needs, and one processor. */
  readonly expertMemoryMb?: number | undefined;
}

const MIB = 2 ** 20;
/** Node.js, the native libraries and room to work in: a function before it holds any weight. */
const RUNTIME_MB = 128;
/** Specs come in whole multiples of this. */
const STEP_MB = 128;
const MB_PER_VCPU = 1024;

/** @throws PLAN_INVALID */
export function choosePlan(file: GgufFile, program: ModelProgram, options: PlanOptions = {}): Plan {
  if (options.made !== undefined) return options.made;
  if (options.file !== undefined) return readPlan(options.file, program);
  const { remoteRatio = 0, replicas = 1 } = options;
  const experts = (own: readonly number[], remote: readonly number[]): ExpertSelection =>
    Array.from({ length: program.layers }, (_, layer) => (own.includes(layer) ? remote : []));
  const remoteBytes = remoteRatio * expertsFootprint(file, expertProgram(localExperts([], program))).weightBytes;
  const worthwhile = Math.max(1, Math.round(remoteBytes / (RUNTIME_MB * MIB)));
  const planned = uniformLayers({
    layers: program.layers,
    experts: program.experts,
    remoteRatio,
    functions: options.expertFunctions ?? worthwhile,
    replicas,
    memoryMb: (own, remote) => options.expertMemoryMb ?? expertMemory(file, experts(own, remote)),
  });
  const threads = program.threads ?? usableProcessors(planned, program);
  const needed = neededMb(mainFootprint(file, { ...program, threads, experts: localExperts(planned, program) }));
  const memoryMb = options.memoryMb ?? roundUp(Math.max(needed, threads * MB_PER_VCPU));
  return { specMain: { memoryMb }, layers: planned };
}

/** What a main function holds on its device: weights and cache of everything but the experts. 0 without a device. */
export function deviceMemoryMb(file: GgufFile, program: ModelProgram): number {
  if (program.device === null) return 0;
  const experts = Array.from({ length: program.layers }, () => []);
  const { weightBytes, cacheBytes } = mainFootprint(file, { ...program, threads: 1, experts });
  return Math.ceil((weightBytes + cacheBytes) / MIB);
}

function readPlan(path: string, program: ModelProgram): Plan {
  try {
    return parsePlan(JSON.parse(readFileSync(path, "utf8")), path, program);
  } catch (error) {
    if (error instanceof SyntaxError || (error as NodeJS.ErrnoException).code !== undefined) {
      throw remoeError("PLAN_INVALID", { path, problem: (error as Error).message }, error);
    }
    throw error;
  }
}

function expertMemory(file: GgufFile, experts: ExpertSelection): number {
  const needed = neededMb(expertsFootprint(file, expertProgram(experts)));
  return roundUp(Math.max(needed, MB_PER_VCPU));
}

function expertProgram(experts: ExpertSelection) {
  return { experts, threads: 1, maxTokens: BATCH_TOKENS };
}

function neededMb(footprint: Footprint): number {
  return RUNTIME_MB + footprintBytes(footprint) / MIB;
}

function roundUp(mb: number): number {
  return Math.ceil(mb / STEP_MB) * STEP_MB;
}
