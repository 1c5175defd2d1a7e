/** What one function did for one request. */
export interface FunctionUsage {
  readonly function: string;
  readonly role: "main" | "experts";
  readonly memoryMb: number;
  readonly vcpus: number;
  /** Graphics memory it holds, in MiB. */
  readonly gpuMemoryMb: number;
  /** Invocations, failed and duplicate ones included: a platform bills them too. */
  readonly invocations: number;
  /** Time spent in invocations. */
  readonly busyMs: number;
  /** The same, every invocation rounded up as the price book says. */
  readonly billedMs: number;
  /** Start until ready; 0 when it was warm. */
  readonly coldStartMs: number;
  /** Kept warm without work: before this request, and by it. */
  readonly idleMs: number;
}
