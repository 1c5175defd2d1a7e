import type { MainProgram } from "../functions/spec.ts";
import type { ExpertSelection, LayerPlan, Plan } from "../planner/plan.ts";
import { toVcpus } from "../planner/specs.ts";
import type { FunctionSpec } from "../platform/platform.ts";

/** Expert calls are short and a function serves them in turn: many requests may hold it at the same time. */
const EXPERT_CONCURRENCY = 1024;

/** What the specs of a model's functions have in common. */
export interface ModelProgram {
  /** Path of the model file. */
  readonly model: string;
  readonly layers: number;
  readonly experts: number;
  readonly contextLength: number;
  /** Requests that a main function computes at the same time. */
  readonly parallel: number;
  readonly numerics: MainProgram["numerics"];
  readonly device: string | null;
  /** Threads of the main function; `null`: as many as its processors. */
  readonly threads: number | null;
  /** Processors of this machine. */
  readonly processors: number;
}

/** An expert function as a plan wants it: one spec for each replica. */
export interface ExpertFunctionSpec {
  readonly name: string;
  readonly replicas: readonly FunctionSpec[];
}

export interface FunctionSpecs {
  readonly main: FunctionSpec;
  readonly experts: readonly ExpertFunctionSpec[];
}

/** An expert function's experts in one of its replicas. */
function replicaExperts(layers: readonly LayerPlan[], index: number, model: ModelProgram): ExpertSelection {
  return Array.from({ length: model.layers }, (_, layer) => {
    const planned = layers.find((each) => each.layer === layer);
    return planned?.replicas[index] ?? [];
  });
}

/** The functions a plan needs. */
export function toFunctionSpecs({ specMain, layers }: Plan, model: ModelProgram): FunctionSpecs {
  const { memoryMb } = specMain;
  const vcpus = toVcpus(memoryMb);
  const { contextLength, parallel, numerics, device } = model;
  const local = localExperts(layers, model);
  const main: FunctionSpec = {
    name: "main",
    memoryMb,
    vcpus,
    concurrency: parallel,
    program: {
      role: "main",
      model: model.model,
      contextLength,
      parallel,
      numerics,
      device,
      threads: model.threads ?? toThreads(vcpus, usableProcessors(layers, model)),
      experts: isSplit(layers) ? local : null,
    },
  };
  const names = [...new Set(layers.filter(({ remote }) => remote.length > 0).map((layer) => layer.function))];
  return { main, experts: names.map((name) => expertFunction(name, layers, model)) };
}

function toThreads(vcpus: number, processors: number): number {
  return Math.min(processors, Math.max(1, Math.ceil(vcpus)));
}

/**
 * Processors of this machine that one function may keep busy. Where experts are in several functions, main and expert
 * functions compute and wait awake at the same time: one is left to the others, because threads that wait for each other
 * lose whole time slices when they have to share a processor.
 */
export function usableProcessors(
  layers: readonly LayerPlan[],
  { processors }: Pick<ModelProgram, "processors">,
): number {
  return isSplit(layers) ? Math.max(1, processors - 1) : processors;
}

function isSplit(layers: readonly LayerPlan[]): boolean {
  return layers.some(({ remote }) => remote.length > 0);
}

/** For every layer, the experts that are not remote. */
export function localExperts(
  layers: readonly LayerPlan[],
  model: Pick<ModelProgram, "layers" | "experts">,
): ExpertSelection {
  return Array.from({ length: model.layers }, (_, layer) => {
    const remote = new Set(layers.find((planned) => planned.layer === layer)?.remote);
    return Array.from({ length: model.experts }, (_, expert) => expert).filter((expert) => !remote.has(expert));
  });
}

function expertFunction(name: string, layers: readonly LayerPlan[], model: ModelProgram): ExpertFunctionSpec {
  const own = layers.filter((layer) => layer.function === name);
  const memoryMb = Math.max(...own.map((layer) => layer.memoryMb));
  const vcpus = toVcpus(memoryMb);
  const count = Math.max(...own.map(({ replicas }) => replicas.length));
  const replicas = Array.from({ length: count }, (_, index): FunctionSpec => {
    return {
      name: index === 0 ? name : `${name}.${index}`,
      memoryMb,
      vcpus,
      concurrency: EXPERT_CONCURRENCY,
      program: {
        role: "experts",
        model: model.model,
        threads: toThreads(vcpus, usableProcessors(layers, model)),
        experts: replicaExperts(own, index, model),
      },
    };
  });
  return { name, replicas };
}
