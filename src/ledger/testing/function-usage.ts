import type { FunctionUsage } from "../usage.ts";

/** A function that did nothing, but for what a test says. */
export function functionUsage(changes: Partial<FunctionUsage> = {}): FunctionUsage {
  return {
    function: "main",
    role: "main",
    memoryMb: 1024,
    vcpus: 1,
    gpuMemoryMb: 0,
    invocations: 0,
    busyMs: 0,
    billedMs: 0,
    coldStartMs: 0,
    idleMs: 0,
    ...changes,
  };
}
