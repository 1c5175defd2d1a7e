import type { DoneEvent, GenerateRequest, TokenEvent } from "../functions/protocol.ts";
import type { ColdStart } from "../functions/spec.ts";
import type { FunctionUsage } from "../ledger/usage.ts";

/** A generation as the pipeline asks for it; its name and where its functions are is added on the way. */
export type Generation = Omit<GenerateRequest, "generationId" | "replayTokens" | "functions" | "rows" | "rounding">;

/** The functions of one request, from acquisition to release. Others may use their instances at the same time. */
export interface AcquiredFunctions {
  /** The main function's; `null` when it was warm. */
  readonly coldStart: ColdStart | null;
  /** Main functions started in place of lost ones. */
  readonly mainRestarts: number;
  /**
   * Streams a generation, which goes on without gap or duplicate when functions are lost. Aborting the signal closes the
   * connection to the main function.
   * @throws FUNCTION_LOST when the main function was lost too often, what starting it throws, what it throws itself
   */
  generate(generation: Generation, signal: AbortSignal): AsyncIterable<TokenEvent | DoneEvent>;
  /** Asks the generation to end at its next token: its `done` event comes with what was counted until then. */
  finish(): void;
  /** What was used so far. */
  usage(): readonly FunctionUsage[];
  release(): void;
  /** Gives them back unused: whoever uses them next pays for their start and the time since. */
  putBack(): void;
}
