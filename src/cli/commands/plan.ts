import type { Command } from "commander";
import { type RemoeError, remoeError } from "../../core/errors.ts";
import type { PlanQuery } from "../../gateway/plan-choice.ts";
import { encodePrompt, type Prompt } from "../../gateway/prompt.ts";
import { toProblem } from "../../gateway/request-problem.ts";
import { openModel } from "../../gguf/open-model.ts";
import type { GgufFile } from "../../gguf/read.ts";
import { DEFAULT_PRICE_BOOK } from "../../ledger/price-books.ts";
import { BASELINES } from "../../planner/baselines/baselines.ts";
import type { Decision } from "../../planner/evaluation.ts";
import { type Explanation, explain } from "../../planner/explain.ts";
import { infeasible } from "../../planner/infeasible.ts";
import { kindOf } from "../../planner/plan-kind.ts";
import { planNow } from "../../planner/planner.ts";
import type { PlanningProblem } from "../../planner/problem.ts";
import { remoe } from "../../planner/remoe-planner.ts";
import { wholeNumber } from "../argument-parsers.ts";
import { bundledModel } from "../bundled-model.ts";
import { problemBase } from "../create-planning.ts";
import { describeBaselines, describeDecision, describeExplanation } from "../describe-plan.ts";
import { flag } from "../flag.ts";
import { watchInterruption } from "../interruption.ts";
import { toModelProgram } from "../model-program.ts";
import { openLearning } from "../open-learning.ts";
import { printJson } from "../print-json.ts";
import { readPriceBook } from "../read-price-book.ts";
import { reportError } from "../report-error.ts";
import { readServedModel } from "../served-model.ts";
import { addPlanningFlags, type PlanningFlags, toSlo } from "../system-flags.ts";

interface PlanFlags extends PlanningFlags {
  readonly model?: string;
  readonly context?: number;
  readonly prompt?: string;
  readonly raw?: boolean;
  readonly promptTokens: number;
  readonly maxTokens: number;
  readonly history?: string;
  readonly prices: string;
  readonly warm?: boolean;
  readonly explain?: boolean;
  readonly json?: boolean;
}

export function definePlan(command: Command): void {
  command
    .description("Decides where the experts of a request would run, and what it would cost, without running it.")
    .addOption(flag("-m, --model <file>", "path or URL of a model file (GGUF)", { initially: "the bundled tiny-moe" }))
    .addOption(
      flag("--context <tokens>", "tokens that prompt and answer share", {
        parse: wholeNumber(1),
        initially: "the model's own, at most 4096",
      }),
    )
    .addOption(flag("--prompt <text>", "the prompt to plan for", { conflicts: "promptTokens" }))
    .addOption(flag("--raw", "the prompt is text to continue, without the chat template"))
    .addOption(
      flag("--prompt-tokens <n>", "length of a prompt that is not given", { parse: wholeNumber(1), initial: 128 }),
    )
    .addOption(flag("-n, --max-tokens <n>", "most tokens to generate", { parse: wholeNumber(1), initial: 256 }));
  addPlanningFlags(command);
  command
    .addOption(flag("--history <file>", "past requests to predict activations from"))
    .addOption(flag("--prices <book>", "price book: a name or a JSON file", { initial: DEFAULT_PRICE_BOOK }))
    .addOption(flag("--warm", "the plan's functions are running; else their start counts"))
    .addOption(flag("--explain", "say what binds, what the memory is for, and what other plans would cost"))
    .addOption(flag("--json", "print one JSON object"))
    .addHelpText("after", EXAMPLES)
    .action(plan);
}

const EXAMPLES = `
Examples:
  remoe profile --out profile.json
  remoe plan --profile profile.json --explain
  remoe plan --profile profile.json --slo-tpot 20ms --history prompts.history --prompt "Once upon a time"
  remoe plan --profile profile.json --json > plan.json && remoe run --plan plan.json "Hello"`;

async function plan(flags: PlanFlags): Promise<void> {
  const problem = await readProblem(flags);
  const decision = planNow(remoe, problem);
  if (decision === null) throw infeasible(problem, null);
  const reasons = explain(problem, decision, remoe);
  const baselines = new Map([...BASELINES].map(([name, planner]) => [name, planNow(planner, problem)]));
  const planned = {
    problem,
    decision,
    reasons,
    baselines,
    error: decision.feasible ? null : infeasible(problem, decision),
  };
  if (flags.json) printJson(toJson(planned));
  else process.stdout.write(toText(planned, flags));
  // With --json the one object says it already.
  if (planned.error !== null) process.exitCode = reportError(planned.error, { json: false });
}

async function readProblem(flags: PlanFlags): Promise<PlanningProblem> {
  const { profile } = flags;
  if (profile === undefined) {
    const problem = "planning needs --profile <file>; measure one with `remoe profile --out <file>`";
    throw remoeError("USAGE_INVALID", { problem, command: "remoe plan" });
  }
  const file = await openModel(flags.model ?? bundledModel());
  const program = toModelProgram(file, { contextLength: flags.context });
  const base = problemBase({ profile, slo: toSlo(flags) }, { file, program, priceBook: readPriceBook(flags.prices) });
  const query = await readQuery(flags, file, program.contextLength);
  return { ...toProblem(base, query, base.profile.spread), isCold: flags.warm !== true };
}

async function readQuery(flags: PlanFlags, file: GgufFile, contextLength: number): Promise<PlanQuery> {
  const { prompt, maxTokens, history } = flags;
  if (prompt === undefined) return { promptTokens: flags.promptTokens, maxTokens, expectation: null };
  const tokens = encodePrompt(toPrompt(prompt, flags), readServedModel(file, file.path, contextLength));
  if (history === undefined) return { promptTokens: tokens.length, maxTokens, expectation: null };
  const opened = await openLearning(file, { path: history, privacy: "full" }, watchInterruption());
  try {
    return { promptTokens: tokens.length, maxTokens, expectation: await opened.learning.expect("plan", tokens) };
  } finally {
    await opened.close();
  }
}

function toPrompt(text: string, { raw }: PlanFlags): Prompt {
  return raw ? { type: "text", text } : { type: "chat", messages: [{ role: "user", content: text }] };
}

interface Planned {
  readonly problem: PlanningProblem;
  readonly decision: Decision;
  readonly reasons: Explanation;
  readonly baselines: ReadonlyMap<string, Decision | null>;
  /** What makes it infeasible. */
  readonly error: RemoeError | null;
}

function toText({ problem, decision, reasons, baselines }: Planned, { explain: isExplained }: PlanFlags): string {
  const { cost } = decision.evaluation;
  const why = isExplained ? `\n${describeExplanation(reasons, problem, cost)}` : "";
  const warning = decision.feasible ? "" : "No plan meets the objectives; this one misses them least.\n";
  return `${warning}${describeDecision(decision, problem)}\n${describeBaselines(baselines, problem, cost)}${why}`;
}

function toJson({ problem, decision, reasons, baselines, error }: Planned): object {
  const { placement, evaluation, feasible } = decision;
  const { profile, prices, workload } = problem;
  return {
    ...placement.plan,
    devices: placement.devices,
    predicted: evaluation,
    baselines: Object.fromEntries([...baselines].map(([name, each]) => [name, toSummary(each)])),
    feasible,
    ...(error === null ? {} : { error: { code: error.code, message: error.message, hint: error.hint } }),
    binding: reasons.binding,
    explanation: reasons,
    workload,
    margin: problem.margin[kindOf(placement.plan)],
    profile: { kind: profile.kind, machine: profile.machine, date: profile.date, model: profile.model },
    prices: { name: prices.name, currency: prices.currency, asOf: prices.asOf },
  };
}

function toSummary(decision: Decision | null): object | null {
  if (decision === null) return null;
  const { placement, evaluation, feasible } = decision;
  const { cost, ttftMs, tpotMs } = evaluation;
  return { cost, ttftMs, tpotMs, feasible, mainMb: placement.plan.specMain.memoryMb };
}
