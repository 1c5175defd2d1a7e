import { type Command, InvalidArgumentError } from "commander";
import { METHODS } from "../../bench/cost-methods.ts";
import type { PriceBook } from "../ledger/price-book.ts";
import { DEFAULT_PRICE_BOOK } from "../ledger/price-books.ts";
import type { Slo } from "../planner/problem.ts";
import { commaList, duration, wholeNumber } from "./argument-parsers.ts";
import { bundledModel } from "./bundled-model.ts";
import { flag } from "./flag.ts";
import { readPriceBook } from "./read-price-book.ts";

/** What {@link addTrialFlags} gives a command's action. */
export interface TrialFlags {
  readonly profile?: string;
  readonly model?: string;
  readonly history?: string;
  readonly limit?: number;
  readonly test?: string;
  readonly raw?: boolean;
  readonly maxTokens: number;
  readonly sloTtft?: number;
  readonly sloTpot?: number;
  readonly prices: string;
  readonly methods: readonly string[];
}

/** Adds the flags of benchmarks that compare methods on prompts they have not seen. */
export function addTrialFlags(command: Command): Command {
  const all = [...METHODS.keys()];
  command
    .addOption(flag("--profile <file>", "measure, with plans from this profile (see `remoe profile`)"))
    .addOption(flag("-m, --model <file>", "model file to measure with", { initially: "the bundled tiny-moe" }))
    .addOption(
      flag("--methods <names>", "methods to compare, comma-separated; each one measured takes memory of its own", {
        parse: methodNames,
        initial: all,
        initially: all.join(","),
      }),
    )
    .addOption(
      flag("--history <file>", "past requests: a history, or prompts to run first (JSONL)", {
        initially: "400 of the bundled training prompts",
      }),
    )
    .addOption(flag("--limit <n>", "take the first n past requests", { parse: wholeNumber(1), initially: "all" }))
    .addOption(flag("--test <file>", "prompts to serve (JSONL)", { initially: "the bundled test prompts" }))
    .addOption(flag("--raw", "prompts are text to continue, without the chat template"))
    .addOption(
      flag("-n, --max-tokens <n>", "most tokens of an answer", { parse: wholeNumber(2, 100_000), initial: 100 }),
    );
  return addObjectiveFlags(command);
}

function addObjectiveFlags(command: Command): Command {
  return command
    .addOption(
      flag("--slo-ttft <duration>", "objective for the time to the first token", {
        parse: duration,
        initially: "1.5 times what a long prompt takes in one function of the largest size",
      }),
    )
    .addOption(
      flag("--slo-tpot <duration>", "objective for the mean time between tokens", {
        parse: duration,
        initially: "1.5 times as well",
      }),
    )
    .addOption(flag("--prices <book>", "price book: a name or a JSON file", { initial: DEFAULT_PRICE_BOOK }));
}

function methodNames(text: string): readonly string[] {
  const names = commaList(text);
  if (names.length > 0 && names.every((name) => METHODS.has(name))) return names;
  throw new InvalidArgumentError(`Give some of ${[...METHODS.keys()].join(", ")}.`);
}

export interface TrialChoice extends Omit<TrialFlags, "model" | "sloTtft" | "sloTpot" | "prices"> {
  readonly model: string;
  readonly slo: Slo;
  readonly priceBook: PriceBook;
}

/** @throws PRICE_BOOK_UNKNOWN, PRICE_BOOK_INVALID */
export function toTrial({ model, sloTtft, sloTpot, prices, ...flags }: TrialFlags): TrialChoice {
  return {
    ...flags,
    model: model ?? bundledModel(),
    slo: { ttftMs: sloTtft ?? null, tpotMs: sloTpot ?? null },
    priceBook: readPriceBook(prices),
  };
}
