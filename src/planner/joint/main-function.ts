import type { MainTimes } from "../cost-profile.ts";
import type { Devices } from "../evaluation.ts";
import { type ExpertSpeed, expertSpeed } from "../layer-time.ts";
import type { PlanningProblem } from "../problem.ts";
import { type Rate, rateOf } from "../rates.ts";
import { toVcpus } from "../specs.ts";
import { timeAt } from "../speed-curve.ts";

/** What a main function with some memory takes and costs, whatever its experts. */
export interface MainFunction {
  readonly memoryMb: number;
  readonly local: ExpertSpeed;
  readonly rate: Rate;
  /** Of the prompt and of one token, without routed experts but with their way to the device and back. */
  readonly prefillMs: number;
  readonly tokenMs: number;
}

export interface MainHardware {
  readonly memoryMb: number;
  readonly devices: Devices;
  readonly times: MainTimes;
}

export function mainFunction(problem: PlanningProblem, { memoryMb, devices, times }: MainHardware): MainFunction {
  const { sizes, profile, prices, workload } = problem;
  const { promptTokens } = workload;
  const vcpus = toVcpus(memoryMb);
  const swapsMs = (n: number): number =>
    devices === "cpu" ? 0 : 2 * sizes.layers * (profile.swap.fixedMs + n * profile.swap.perHiddenStateMs);
  return {
    memoryMb,
    local: expertSpeed(times.experts, vcpus),
    rate: rateOf({ memoryMb, gpuMemoryMb: devices === "cpu" ? 0 : sizes.nonExpertMb + sizes.cacheMb }, prices),
    prefillMs:
      timeAt(times.prefillPrompt, vcpus) + promptTokens * timeAt(times.prefillToken, vcpus) + swapsMs(promptTokens),
    tokenMs: timeAt(times.decodeToken, vcpus) + swapsMs(1),
  };
}
