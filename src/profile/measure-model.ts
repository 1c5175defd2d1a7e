import { spread } from "../core/stats.ts";
import { type ModelProgram, usableProcessors } from "../gateway/function-specs.ts";
import { isHttp, parseEndpoint } from "../wire/endpoint.ts";
import { rowBytes } from "../wire/rows.ts";
import { type ExpertCallOptions, type ExpertCallPoints, measureExpertCalls } from "./measure-expert-calls.ts";
import { type MainRunOptions, type MainRuns, measureMain } from "./measure-main.ts";
import type { Measurements } from "./measurements.ts";
import { deviations, toDecodePoint, tokenTimes, toPrefillPoint, toSplitDecodePoint } from "./summarise-requests.ts";

export interface MeasureOptions extends MainRunOptions, ExpertCallOptions {
  readonly program: ModelProgram;
  /** Told what is being measured. */
  readonly onProgress: (text: string) => void;
}

/** Starts of small functions, to tell a process's part from that of weights. */
const SMALL_STARTS = 3;

/** Measures everything a profile is made of, with one main and one expert function at a time. */
export async function measureModel(options: MeasureOptions): Promise<Measurements> {
  const { bench, hyper } = options;
  const split = await measureSplit(options);
  const sized = await measureExpertSizes(options);
  const whole = await measureWhole(options);
  await measureSmallStarts(options);
  const requests = [...whole, ...split.runs].flatMap(({ prefills, decodes }) => [...prefills, decodes]);
  return {
    shape: { layers: hyper.layers, expertsPerToken: hyper.expertsPerToken },
    expertCalls: [...split.calls.calls, ...sized.calls],
    transfers: split.calls.transfers,
    splitDecodes: [...split.runs.map((run) => toSplitDecodePoint(run, run)), ...sized.decodes],
    splitPrefills: split.runs.filter(isAllRemote(options)).flatMap(({ prefills }) => prefills.map(toPrefillPoint)),
    decodes: whole.map(toDecodePoint),
    prefills: whole.flatMap(({ prefills }) => prefills.map(toPrefillPoint)),
    starts: bench.starts,
    ...overheads(whole),
    deviations: {
      ttft: requests.flatMap(({ outcomes }) => deviations(outcomes.map(({ firstTokenMs }) => firstTokenMs))),
      tpot: [...whole, ...split.runs].flatMap(({ decodes }) => deviations(tokenTimes(decodes))),
    },
    limits: split.limits,
    foreignLoad: options.foreignLoad.share,
    payloadHiddenStates: split.payloadHiddenStates,
  };
}

interface SplitRuns extends MainRuns {
  readonly expertVcpus: number;
  readonly remoteLayers: number;
}

/** Main functions of every size with an expert function of one processor: all layers remote, and every other one. */
async function measureSplit(options: MeasureOptions) {
  const { bench, hyper, onProgress } = options;
  const all = layersOf(options);
  onProgress("expert function, 1 processor");
  await using experts = await bench.startExperts(1, all);
  const calls = await measureExpertCalls(experts, options);
  const runs: SplitRuns[] = [];
  for (const vcpus of splitSizes(options)) {
    for (const remote of [all, everyOther(all)]) {
      onProgress(`main function, ${vcpus} processors, ${remote.length} of ${all.length} layers remote`);
      await using main = await bench.startMain(vcpus, remote);
      const measured = await measureMain(main, experts, options);
      runs.push({ ...measured, expertVcpus: experts.vcpus, remoteLayers: remote.length });
    }
  }
  const { endpoint } = experts.lease;
  const payload = Math.floor(calls.payloadLimit / rowBytes(hyper.hidden, "f32"));
  const payloadHiddenStates = isHttp(parseEndpoint(endpoint)) ? payload : null;
  return { calls, runs, limits: bench.limitsOf(experts), payloadHiddenStates };
}

/** Expert functions of the other sizes, called by hand and by a main function of one processor. */
async function measureExpertSizes(options: MeasureOptions) {
  const { bench, effort, onProgress } = options;
  const all = layersOf(options);
  const calls: ExpertCallPoints["calls"][number][] = [];
  const decodes: Measurements["splitDecodes"][number][] = [];
  await using main = await bench.startMain(1, all);
  for (const vcpus of splitSizes(options).filter((size) => size !== 1)) {
    onProgress(`expert function, ${vcpus} processors`);
    await using experts = await bench.startExperts(vcpus, all);
    calls.push(...(await measureExpertCalls(experts, options)).calls);
    const brief = { ...effort, promptLengths: effort.promptLengths.slice(0, 1) };
    const runs = await measureMain(main, experts, { ...options, effort: brief });
    decodes.push(toSplitDecodePoint(runs, { expertVcpus: vcpus, remoteLayers: all.length }));
  }
  return { calls, decodes };
}

/** Main functions of every size that hold every expert. */
async function measureWhole(options: MeasureOptions): Promise<MainRuns[]> {
  const { bench, effort, onProgress } = options;
  const runs: MainRuns[] = [];
  for (const vcpus of effort.vcpus) {
    onProgress(`main function, ${vcpus} processors, every expert local`);
    await using main = await bench.startMain(vcpus);
    runs.push(await measureMain(main, null, options));
  }
  return runs;
}

async function measureSmallStarts({ bench, onProgress }: MeasureOptions): Promise<void> {
  onProgress("cold starts");
  for (let round = 0; round < SMALL_STARTS; round++) {
    await using _experts = await bench.startExperts(1, [0]);
  }
}

function overheads(whole: readonly MainRuns[]): Pick<Measurements, "mainMs" | "gatewayMs"> {
  const outcomes = whole.flatMap(({ decodes }) => decodes.outcomes);
  const mainMs = outcomes.map(({ done: { timings } }) => timings.busyMs - timings.prefillMs - timings.decodeMs);
  const gatewayMs = outcomes.map(({ done, firstTokenMs }) => firstTokenMs - done.timings.prefillMs);
  return { mainMs: spread(mainMs), gatewayMs: spread(gatewayMs) };
}

function layersOf({ hyper }: Pick<MeasureOptions, "hyper">): number[] {
  return Array.from({ length: hyper.layers }, (_, layer) => layer);
}

function everyOther(layers: readonly number[]): number[] {
  return layers.filter((layer) => layer % 2 === 0);
}

function isAllRemote({ hyper }: MeasureOptions): (run: SplitRuns) => boolean {
  return ({ remoteLayers }) => remoteLayers === hyper.layers;
}

/** Processors that a main function with remote experts leaves to others do not make it faster. */
function splitSizes({ effort, program }: MeasureOptions): number[] {
  const layer = { layer: 0, remote: [0], function: "experts", memoryMb: 0, replicas: [[0]] };
  return effort.vcpus.filter((size) => size <= usableProcessors([layer], program));
}
