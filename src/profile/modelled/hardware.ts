import { z } from "zod";
import { datedData, positive, share } from "./dated-data.ts";
import a100 from "./devices/a100-80gb.json" with { type: "json" };
import l4 from "./devices/l4.json" with { type: "json" };
import xeonGold6348 from "./hosts/xeon-gold-6348.json" with { type: "json" };

/** Shares of the peaks that kernels reach. */
const attainable = z.strictObject({ bandwidth: share, flops: share });

const device = z
  .strictObject({
    ...datedData,
    memoryMb: positive,
    memoryGbPerS: positive,
    /** Of dense matrices: with weights of 16 or 8 bits, and of 32. */
    tflops: z.strictObject({ f16: positive, f32: positive }),
    attainable,
    /** Between host and device, one way. */
    linkGbPerS: positive,
    /** Of one kernel. */
    launchUs: positive,
  })
  .readonly();

const host = z
  .strictObject({
    ...datedData,
    /** Of a socket; one is one virtual processor. */
    cores: z.int().positive(),
    /** In FP32, which other types are converted to. */
    coreGflops: positive,
    /** What one core can read. */
    coreGbPerS: positive,
    /** What all of them can read together. */
    socketGbPerS: positive,
    attainable,
    /** Of one operator, until all threads have met. */
    operatorUs: positive,
  })
  .readonly();

/** Published figures of an accelerator. */
export type Device = z.infer<typeof device>;

/** Published figures of a processor; functions stay on one socket. */
export type Host = z.infer<typeof host>;

export const DEVICES: ReadonlyMap<string, Device> = new Map([a100, l4].map((file) => [file.name, device.parse(file)]));

export const HOSTS: ReadonlyMap<string, Host> = new Map([xeonGold6348].map((file) => [file.name, host.parse(file)]));
