import { remoeError } from "../core/errors.ts";
import type { Shape } from "../predictor/example.ts";
import { LIMITS } from "./limits.ts";
import { findTextProblem } from "./text-problem.ts";

/** What a history belongs to: records of one model say nothing about another. */
export interface HistoryIdentity extends Shape {
  readonly expertsPerToken: number;
  /** Of a prompt's vector. */
  readonly dimensions: number;
  readonly vocabularySize: number;
  /** Fingerprint of the model file: 64 hexadecimal digits. */
  readonly model: string;
  /** Fingerprint of the vocabulary; any printable text. */
  readonly tokenizer: string;
}

const NAMES: Readonly<Record<keyof HistoryIdentity, string>> = {
  layers: "number of layers",
  experts: "number of experts",
  expertsPerToken: "number of experts per token",
  dimensions: "number of dimensions",
  vocabularySize: "vocabulary size",
  model: "model fingerprint",
  tokenizer: "tokenizer fingerprint",
};

const COUNTS = ["layers", "experts", "expertsPerToken", "dimensions", "vocabularySize"] as const;

/** → what makes an identity impossible, as in "has …", or null. */
export function findIdentityProblem(identity: HistoryIdentity): string | null {
  const maxima = { ...LIMITS, expertsPerToken: Math.min(identity.experts, LIMITS.experts) };
  for (const key of COUNTS) {
    const count = identity[key];
    if (!Number.isInteger(count) || count < 1 || count > maxima[key]) {
      return `has ${count} as its ${NAMES[key]}, not 1 to ${maxima[key]}`;
    }
  }
  const cells = identity.layers * identity.experts;
  if (cells > LIMITS.cells) return `has ${cells} experts in all layers, over the maximum of ${LIMITS.cells}`;
  if (!/^[0-9a-f]{64}$/.test(identity.model)) return "has a model fingerprint that is not 64 hexadecimal digits";
  return findTextProblem(NAMES.tokenizer, identity.tokenizer, LIMITS.tokenizerBytes);
}

/**
 * Refuses what belongs to another model, tokenizer or shape.
 * @throws HISTORY_FOREIGN
 */
export function requireSameIdentity(path: string, actual: Partial<HistoryIdentity>, expected: HistoryIdentity): void {
  for (const key of Object.keys(NAMES) as (keyof HistoryIdentity)[]) {
    const value = actual[key];
    if (value !== undefined && value !== expected[key]) {
      throw remoeError("HISTORY_FOREIGN", { path, what: NAMES[key], actual: value, expected: expected[key] });
    }
  }
}
