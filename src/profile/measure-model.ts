import { spread } from "../core/stats.ts";
import { allExperts, type ExpertSelection } from "../engine/expert-bank.ts";
import { type ModelProgram, usableProcessors } from "../gateway/function-specs.ts";
import { isHttp, parseEndpoint } from "../wire/endpoint.ts";
import { rowBytes } from "../wire/rows.ts";
import type { BenchExperts } from "./function-bench.ts";
import { type ExpertCallOptions, type ExpertCallPoints, measureExpertCalls } from "./measure-expert-calls.ts";
import { type MainRunOptions, type MainRuns, measureMain } from "./measure-main.ts";
import type { Measurements } from "./measurements.ts";
import { toDecodePoint, toMixedPoints, toPrefillPoint, toSplitDecodePoint } from "./summarise-requests.ts";

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
  return {
    shape: { layers: hyper.layers, expertsPerToken: hyper.expertsPerToken },
    expertCalls: [...split.calls.calls, ...sized.calls],
    transfers: split.calls.transfers,
    splitDecodes: [...split.runs.map((run) => toSplitDecodePoint(run, run)), ...sized.decodes],
    splitPrefills: split.runs.filter(isAllRemote(options)).flatMap(({ prefills }) => prefills.map(toPrefillPoint)),
    mixed: toMixedPoints(split.mixed, isOfHalf),
    decodes: whole.map(toDecodePoint),
    prefills: whole.flatMap(({ prefills }) => prefills.map(toPrefillPoint)),
    starts: bench.starts,
    ...overheads(whole),
    limits: split.limits,
    foreignLoad: options.foreignLoad.share,
    payloadHiddenStates: split.payloadHiddenStates,
  };
}

interface SplitRuns extends MainRuns {
  readonly expertVcpus: number;
  readonly remoteLayers: number;
}

/**
 * Main functions with expert functions of one processor: of every size with all layers remote, and half of the layers; and
 * of one processor with half of every layer's experts remote.
 */
async function measureSplit(options: MeasureOptions) {
  const { bench, hyper, onProgress } = options;
  const all = everyExpert(options);
  onProgress("expert functions, 1 processor");
  await using even = await bench.startExperts(1, inEven(all));
  await using odd = await startOdd(1, options);
  const experts = odd === null ? [even] : [even, odd];
  const calls = await measureExpertCalls(even, options);
  const runs: SplitRuns[] = [];
  for (const vcpus of splitSizes(options)) {
    for (const remote of [all, ofHalf(all)]) {
      const remoteLayers = remote.filter((own) => own.length > 0).length;
      onProgress(`main function, ${vcpus} processors, ${remoteLayers} of ${all.length} layers remote`);
      await using main = await bench.startMain(vcpus, remote);
      const measured = await measureMain(main, experts, options);
      runs.push({ ...measured, expertVcpus: even.vcpus, remoteLayers });
    }
  }
  onProgress("main function, 1 processor, half of every layer remote");
  const halves = all.map((own) => own.filter(isOfHalf));
  await using half = await bench.startMain(1, halves);
  const mixed = await measureMain(half, experts, options);
  const { endpoint } = even.lease;
  const payload = Math.floor(calls.payloadLimit / rowBytes(hyper.hidden, "f32"));
  const payloadHiddenStates = isHttp(parseEndpoint(endpoint)) ? payload : null;
  return { calls, runs, mixed, limits: bench.limitsOf(even), payloadHiddenStates };
}

/** Expert functions of the other sizes, called by hand and by a main function of one processor. */
async function measureExpertSizes(options: MeasureOptions) {
  const { bench, effort, onProgress } = options;
  const all = everyExpert(options);
  const calls: ExpertCallPoints["calls"][number][] = [];
  const decodes: Measurements["splitDecodes"][number][] = [];
  await using main = await bench.startMain(1, all);
  for (const vcpus of splitSizes(options).filter((size) => size !== 1)) {
    onProgress(`expert functions, ${vcpus} processors`);
    await using even = await bench.startExperts(vcpus, inEven(all));
    await using odd = await startOdd(vcpus, options);
    const experts = odd === null ? [even] : [even, odd];
    calls.push(...(await measureExpertCalls(even, options)).calls);
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
    runs.push(await measureMain(main, [], options));
  }
  return runs;
}

async function measureSmallStarts(options: MeasureOptions): Promise<void> {
  const { bench, onProgress } = options;
  onProgress("cold starts");
  for (let round = 0; round < SMALL_STARTS; round++) {
    await using _experts = await bench.startExperts(1, everyExpert(options).slice(0, 1));
  }
}

function overheads(whole: readonly MainRuns[]): Pick<Measurements, "mainMs" | "gatewayMs"> {
  const outcomes = whole.flatMap(({ decodes }) => decodes.outcomes);
  const mainMs = outcomes.map(({ done: { timings } }) => timings.busyMs - timings.prefillMs - timings.decodeMs);
  const gatewayMs = outcomes.map(({ done, firstTokenMs }) => firstTokenMs - done.timings.prefillMs);
  return { mainMs: spread(mainMs), gatewayMs: spread(gatewayMs) };
}

function everyExpert({ hyper }: Pick<MeasureOptions, "hyper">): ExpertSelection {
  return allExperts(hyper.layers, hyper.experts);
}

/**
 * Layers take turns with two functions, as with those of a plan: a function that serves every layer is asked again while it
 * still looks out for the next call, and need not be woken.
 */
function inEven(selection: ExpertSelection): ExpertSelection {
  return selection.map((experts, layer) => (layer % 2 === 0 ? experts : []));
}

/** → `null` where there is no second layer */
async function startOdd(vcpus: number, options: MeasureOptions): Promise<BenchExperts | null> {
  const all = everyExpert(options);
  if (all.length < 2) return null;
  return await options.bench.startExperts(
    vcpus,
    all.map((experts, layer) => (layer % 2 === 1 ? experts : [])),
  );
}

/** Two layers of four, so that they still take turns; of few layers every other one. */
function ofHalf(selection: ExpertSelection): ExpertSelection {
  const together = selection.length < 4 ? 1 : 2;
  return selection.map((experts, layer) => (Math.floor(layer / together) % 2 === 0 ? experts : []));
}

function isOfHalf(expert: number): boolean {
  return expert % 2 === 1;
}

function isAllRemote({ hyper }: MeasureOptions): (run: SplitRuns) => boolean {
  return ({ remoteLayers }) => remoteLayers === hyper.layers;
}

/** Processors that a main function with remote experts leaves to others do not make it faster. */
function splitSizes({ effort, program }: MeasureOptions): number[] {
  const layer = { layer: 0, remote: [0], function: "experts", memoryMb: 0, replicas: [[0]] };
  return effort.vcpus.filter((size) => size <= usableProcessors([layer], program));
}
