import { randomUUID } from "node:crypto";
import type { DoneEvent, MainFunction, RemoteFunction } from "../functions/protocol.ts";
import { connectMains } from "../gateway/connect-mains.ts";
import { localExperts, type ModelProgram, toFunctionSpecs } from "../gateway/function-specs.ts";
import { GREEDY } from "../model/sampling.ts";
import type { ExpertSelection, LayerPlan } from "../planner/plan.ts";
import type { ModelSizes } from "../planner/problem.ts";
import type { FunctionSpec, Lease, Limits, Platform } from "../platform/platform.ts";
import type { StartPoint } from "./measurements.ts";

export interface FunctionBenchOptions {
  readonly platform: Platform;
  /** Shared with the platform's functions. */
  readonly secret: string;
  readonly program: ModelProgram;
  readonly sizes: ModelSizes;
  /** Monotonic milliseconds. */
  readonly clock: () => number;
  readonly signal: AbortSignal;
}

/** A function for measuring, to be disposed of: it ends then. */
export interface BenchFunction extends AsyncDisposable {
  readonly lease: Lease;
  readonly vcpus: number;
}

export interface BenchMain extends BenchFunction {
  readonly client: MainFunction;
}

export interface BenchExperts extends BenchFunction {
  readonly remote: RemoteFunction;
}

export interface Prompt {
  readonly promptTokens: readonly number[];
  readonly maxTokens: number;
}

export interface Outcome {
  readonly done: DoneEvent;
  /** From the request until its first token. */
  readonly firstTokenMs: number;
}

/** Least a function is given with any processors, as gateways do. */
const MB_PER_VCPU = 1024;
const EXACT = { granularityMs: 0.001, minimumMs: 0 };

/** Starts real functions on a platform, with as many processors as wanted and the memory they need. */
export class FunctionBench {
  readonly starts: StartPoint[] = [];
  readonly #options: FunctionBenchOptions;
  readonly #connect: (lease: Lease) => MainFunction;

  constructor(options: FunctionBenchOptions) {
    this.#options = options;
    this.#connect = connectMains(options.secret, options.clock);
  }

  /** A main function that holds all experts but some. */
  async startMain(vcpus: number, remote: ExpertSelection = []): Promise<BenchMain> {
    const { sizes, program } = this.#options;
    const layers = this.#planLayers(remote);
    const { main } = this.#specs(vcpus, layers);
    const weightMb = sizes.nonExpertMb + this.#expertsMb(localExperts(layers, program));
    const started = await this.#start({ ...main, vcpus }, weightMb, sizes.mainBaseMb + sizes.cacheMb);
    return { ...started, client: this.#connect(started.lease) };
  }

  /** An expert function with some experts. */
  async startExperts(vcpus: number, selection: ExpertSelection): Promise<BenchExperts> {
    const { sizes } = this.#options;
    const [own] = this.#specs(vcpus, this.#planLayers(selection)).experts;
    const spec = own?.replicas[0] as FunctionSpec;
    const experts = spec.program.experts ?? [];
    const started = await this.#start({ ...spec, vcpus }, this.#expertsMb(experts), sizes.expertsBaseMb);
    const { instanceId, endpoint } = started.lease;
    return { ...started, remote: { name: spec.name, replicas: [{ instanceId, endpoint, experts }] } };
  }

  /** One request to a warm main function. */
  async generate({ client }: BenchMain, prompt: Prompt, experts: readonly BenchExperts[]): Promise<Outcome> {
    const { clock, signal } = this.#options;
    const began = clock();
    let firstTokenMs = 0;
    const request = {
      ...prompt,
      generationId: randomUUID(),
      replayTokens: [],
      sampling: GREEDY,
      stopTokens: [],
      topLogprobs: null,
      traceTokens: 0,
      functions: experts.map(({ remote }) => remote),
      rows: "f32",
      rounding: EXACT,
    } as const;
    for await (const event of client.generate(request, signal)) {
      if (event.type === "token" && firstTokenMs === 0) firstTokenMs = clock() - began;
      if (event.type === "done") return { done: event, firstTokenMs };
    }
    throw new Error("a generation ended without its last event");
  }

  /** What holds an instance to its spec. */
  limitsOf({ lease }: BenchFunction): Limits {
    const report = this.#options.platform.list().find(({ id }) => id === lease.instanceId);
    return report?.limits ?? { memory: "none", cpu: "none" };
  }

  #specs(vcpus: number, layers: readonly LayerPlan[]) {
    const memoryMb = vcpus * MB_PER_VCPU;
    const sized = layers.map((layer) => ({ ...layer, memoryMb }));
    return toFunctionSpecs({ specMain: { memoryMb }, layers: sized }, this.#options.program);
  }

  #planLayers(selection: ExpertSelection): LayerPlan[] {
    const name = `experts-${this.starts.length}`;
    const layers = selection.map((remote, layer) => {
      return { layer, remote, function: name, memoryMb: 0, replicas: [remote] };
    });
    return layers.filter(({ remote }) => remote.length > 0);
  }

  #expertsMb(selection: ExpertSelection): number {
    const { expertMb } = this.#options.sizes;
    return selection.reduce((sum, held, layer) => sum + held.length * (expertMb[layer] as number), 0);
  }

  async #start(spec: FunctionSpec, weightMb: number, baseMb: number): Promise<BenchFunction> {
    const { platform, signal } = this.#options;
    const memoryMb = Math.ceil(Math.max(spec.memoryMb, baseMb + weightMb));
    const lease = await platform.acquire({ ...spec, memoryMb }, signal);
    if (lease.coldStart !== null) {
      this.starts.push({ role: spec.program.role, weightMb, ms: lease.coldStart.totalMs });
    }
    const stop = async (): Promise<void> => {
      lease.discard();
      await lease.exited;
    };
    return { lease, vcpus: spec.vcpus, [Symbol.asyncDispose]: stop };
  }
}
