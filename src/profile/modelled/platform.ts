import { z } from "zod";
import { datedData, positive } from "./dated-data.ts";
import dataCentre from "./platform.json" with { type: "json" };

const amount = z.number().min(0);
const operators = z.int().positive();

const platform = z
  .strictObject({
    ...datedData,
    wire: z.strictObject({
      /** t^rem */
      callMs: positive,
      gbitPerS: positive,
      bytesPerValue: positive,
      batchTokens: z.int().positive(),
      /** U^payload in megabytes of 10⁶ bytes, both ways together; `null`: no limit. */
      payloadMb: positive.nullable(),
    }),
    /** One transfer between host and device, however small. */
    swapUs: amount,
    coldStart: z.strictObject({
      containerMs: amount,
      /** What a device adds. */
      deviceMs: amount,
      storageGbPerS: positive,
    }),
    overhead: z.strictObject({ mainMs: amount, gatewayMs: amount }),
    /** Memory of a function before any weight. */
    baseMb: z.strictObject({ main: positive, experts: positive }),
    /** Longest request: its keys and values have room. */
    requestTokens: z.int().positive(),
    /** Operators, each a kernel: of a layer without routed experts, of their sum, of one expert, of the head. */
    operators: z.strictObject({ layer: operators, experts: operators, expert: operators, head: operators }),
  })
  .readonly();

/** What is assumed of the world around processors and devices. */
export type Platform = z.infer<typeof platform>;

export const DATA_CENTRE: Platform = platform.parse(dataCentre);
