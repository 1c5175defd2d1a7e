import { remoeError } from "../core/errors.ts";
import { type Footprint, footprintBytes } from "../engine/footprint.ts";
import type { FunctionStart } from "./spec.ts";

const MIB = 2 ** 20;
/** What the process grows by beyond what it has at the start and what its model takes: buffers of sockets, garbage. */
const SPARE_BYTES = 16 * MIB;

/**
 * Refuses a memory limit that loading would run into. Called before anything is loaded.
 * @returns bytes that are left for other things
 * @throws FUNCTION_MEMORY_TOO_SMALL
 */
export function checkMemory(
  { name, memoryMb }: Pick<FunctionStart, "name" | "memoryMb">,
  footprint: Footprint,
): number {
  const needed = process.memoryUsage.rss() + footprintBytes(footprint) + SPARE_BYTES;
  const left = memoryMb * MIB - needed;
  if (left >= 0) return left;
  throw remoeError("FUNCTION_MEMORY_TOO_SMALL", {
    function: name,
    limitMb: memoryMb,
    neededMb: Math.ceil(needed / MIB),
    weightsMb: Math.ceil(footprint.weightBytes / MIB),
  });
}
