import type { SpeedCurve } from "../../planner/cost-profile.ts";
import type { Device, Host } from "./hardware.ts";
import type { ModelShape } from "./model-shape.ts";

/** What something asks of hardware. */
export interface Work {
  /** Read from memory. */
  readonly bytes: number;
  readonly flops: number;
  /** Operators, each of which takes its time to begin. */
  readonly operators: number;
}

/** Time by virtual processors. */
export type Roofline = (work: Work) => SpeedCurve;

/** Of a function of 1 MiB: a device is as fast beside any real one. */
const LEAST_VCPUS = 1 / 1024;

/** max(bytes / bandwidth, flops / peak) + operators · launch, whatever the processors beside the device. */
export function deviceRoofline(device: Device, weights: ModelShape["weights"]): Roofline {
  const bytesPerMs = device.memoryGbPerS * device.attainable.bandwidth * 1e6;
  const flopsPerMs = device.tflops[weights === "f32" ? "f32" : "f16"] * device.attainable.flops * 1e9;
  return ({ bytes, flops, operators }) => {
    const ms = Math.max(bytes / bytesPerMs, flops / flopsPerMs) + (operators * device.launchUs) / 1000;
    return { vcpus: [LEAST_VCPUS], ms: [ms] };
  };
}

/**
 * max(bytes / min(v · core's bandwidth, socket's), flops / (v · core's peak)) + operators · their time, for v processors
 * up to a socket's cores. It is piecewise linear in 1/v, so its corners are all the samples a curve needs.
 */
export function hostRoofline(host: Host): Roofline {
  const coreBytesPerMs = host.coreGbPerS * 1e6;
  const socketBytesPerMs = host.socketGbPerS * host.attainable.bandwidth * 1e6;
  const coreFlopsPerMs = host.coreGflops * host.attainable.flops * 1e6;
  const saturated = socketBytesPerMs / coreBytesPerMs;
  return ({ bytes, flops, operators }) => {
    const balanced = (flops * socketBytesPerMs) / (bytes * coreFlopsPerMs);
    const corners = [saturated, balanced].filter((vcpus) => vcpus > 1 && vcpus < host.cores);
    const vcpus = [...new Set([1, ...corners, host.cores])].sort((a, b) => a - b);
    const msAt = (v: number): number =>
      Math.max(bytes / Math.min(v * coreBytesPerMs, socketBytesPerMs), flops / (v * coreFlopsPerMs)) +
      (operators * host.operatorUs) / 1000;
    return { vcpus, ms: vcpus.map(msAt) };
  };
}
