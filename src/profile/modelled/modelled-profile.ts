import type { CostProfile, ExpertTimes, MainTimes, StartTime } from "../../planner/cost-profile.ts";
import { bothKinds } from "../../planner/plan-kind.ts";
import type { ModelSizes } from "../../planner/problem.ts";
import type { Device, Host } from "./hardware.ts";
import { bytesPerWeight, countParameters, type ModelShape } from "./model-shape.ts";
import { DATA_CENTRE, type Platform } from "./platform.ts";
import { deviceRoofline, hostRoofline, type Roofline } from "./roofline.ts";

const MIB = 1024 ** 2;

export interface ModelledProfileOptions {
  /** `null` for processors alone. */
  readonly device: Device | null;
  readonly host: Host;
  readonly shape: ModelShape;
  /** A data centre by default. */
  readonly platform?: Platform;
}

export interface ModelledProfile {
  readonly profile: CostProfile;
  readonly sizes: ModelSizes;
}

/**
 * What a published model would take on published hardware, by a roofline: no number of it was measured. What does not fit
 * into the device's memory has no times there.
 */
export function modelledProfile(options: ModelledProfileOptions): ModelledProfile {
  const { device, host, shape, platform = DATA_CENTRE } = options;
  const sizes = modelSizes(shape, platform);
  const used = [shape, host, platform, ...(device === null ? [] : [device])];
  const profile: CostProfile = {
    schemaVersion: 2,
    kind: "modelled",
    machine: [device, host].flatMap((hardware) => hardware?.title ?? []).join(", "),
    date: newest(used),
    model: shape.name,
    ...placedTimes(options, sizes, platform),
    remote: expertTimes(shape, platform, hostRoofline(host)),
    wire: wireTimes(shape, platform),
    // Functions of a data centre have processors and memory of their own.
    contention: { prefill: 0, decode: 0 },
    swap: swapTimes(shape, platform, device),
    overhead: platform.overhead,
    coldStart: {
      main: startTime(platform),
      deviceMs: device === null ? 0 : platform.coldStart.deviceMs,
      experts: startTime(platform),
      parallel: null,
    },
    spread: bothKinds({ ttft: 1, tpot: 1 }),
  };
  return { profile, sizes };
}

/** Of main functions, wherever their modules are. */
function placedTimes({ device, host, shape }: ModelledProfileOptions, sizes: ModelSizes, platform: Platform) {
  const onHost = hostRoofline(host);
  const cpu = mainTimes(shape, platform, { nonExpert: onHost, experts: onHost });
  const deviceMb = sizes.nonExpertMb + sizes.cacheMb;
  if (device === null || deviceMb > device.memoryMb) return { cpu, mix: null, gpu: null, split: cpu };
  const onDevice = deviceRoofline(device, shape.weights);
  const mix = mainTimes(shape, platform, { nonExpert: onDevice, experts: onHost });
  const expertsMb = sizes.expertMb.reduce((sum, mb) => sum + mb * sizes.experts, 0);
  const isWhole = deviceMb + expertsMb <= device.memoryMb;
  const gpu = isWhole ? mainTimes(shape, platform, { nonExpert: onDevice, experts: onDevice }) : null;
  return { cpu, mix, gpu, split: mix };
}

function modelSizes(shape: ModelShape, { baseMb, requestTokens }: Platform): ModelSizes {
  const { expert, layers, head, embedding } = countParameters(shape);
  const toMb = (parameters: number): number => (parameters * bytesPerWeight(shape)) / MIB;
  return {
    name: shape.name,
    layers: shape.layers,
    experts: shape.experts,
    expertsPerToken: shape.expertsPerToken,
    expertMb: Array.from({ length: shape.layers }, () => toMb(expert)),
    nonExpertMb: toMb(layers + head + embedding),
    cacheMb: (requestTokens * (shape.layers + shape.denseLayers) * shape.cacheBytesPerToken) / MIB,
    mainBaseMb: baseMb.main,
    expertsBaseMb: baseMb.experts,
  };
}

/**
 * A token reads all weights but the embedding once, with 2 operations a weight. A prompt reads them once, too, and then
 * computes: a sum where a roofline has the larger of both, at most twice as much. The head is for its last token alone.
 * Reading keys and values is left out: 2 % of the weights' bytes for 1000 tokens of DeepSeek-V2-Lite.
 */
function mainTimes(
  shape: ModelShape,
  platform: Platform,
  on: { readonly nonExpert: Roofline; readonly experts: Roofline },
): MainTimes {
  const { operators } = platform;
  const { layers, head } = countParameters(shape);
  const bytes = (layers + head) * bytesPerWeight(shape);
  const all = (shape.layers + shape.denseLayers) * operators.layer + operators.head;
  return {
    decodeToken: on.nonExpert({ bytes, flops: 2 * (layers + head), operators: all }),
    prefillPrompt: on.nonExpert({ bytes, flops: 2 * head, operators: all }),
    prefillToken: on.nonExpert({ bytes: 0, flops: 2 * layers, operators: 0 }),
    experts: expertTimes(shape, platform, on.experts),
  };
}

/** A row reads its expert's weights; in prefill, an expert's rows read them once, and then compute (as above). */
function expertTimes(shape: ModelShape, { operators }: Platform, on: Roofline): ExpertTimes {
  const { expert } = countParameters(shape);
  const bytes = expert * bytesPerWeight(shape);
  return {
    decodeLayer: on({ bytes: 0, flops: 0, operators: operators.experts }),
    decodeRow: on({ bytes, flops: 2 * expert, operators: operators.expert }),
    prefillExpert: on({ bytes, flops: 0, operators: operators.expert }),
    prefillRow: on({ bytes: 0, flops: 2 * expert, operators: 0 }),
  };
}

function wireTimes({ hidden }: ModelShape, { wire }: Platform): CostProfile["wire"] {
  const stateBytes = hidden * wire.bytesPerValue;
  return {
    callMs: wire.callMs,
    perHiddenStateMs: (stateBytes * 8) / (wire.gbitPerS * 1e6),
    batchTokens: wire.batchTokens,
    payloadHiddenStates: wire.payloadMb === null ? null : Math.floor((wire.payloadMb * 1e6) / stateBytes),
  };
}

function swapTimes({ hidden }: ModelShape, { wire, swapUs }: Platform, device: Device | null): CostProfile["swap"] {
  if (device === null) return { fixedMs: 0, perHiddenStateMs: 0 };
  return { fixedMs: swapUs / 1000, perHiddenStateMs: (hidden * wire.bytesPerValue) / (device.linkGbPerS * 1e6) };
}

function startTime({ coldStart }: Platform): StartTime {
  return { fixedMs: coldStart.containerMs, perMb: MIB / (coldStart.storageGbPerS * 1e6) };
}

function newest(data: readonly { readonly asOf: string }[]): string {
  return (
    data
      .map(({ asOf }) => asOf)
      .toSorted()
      .at(-1) ?? ""
  );
}
