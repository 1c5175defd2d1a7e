import { remoeError } from "../core/errors.ts";
import type { GgufFile } from "../gguf/read.ts";

/** A model's metadata under its architecture's name. Everything throws MODEL_METADATA_INVALID. */
export class ModelKeys {
  readonly file: GgufFile;
  readonly #prefix: string;

  constructor(file: GgufFile, architecture: string) {
    this.file = file;
    this.#prefix = architecture;
  }

  has(key: string): boolean {
    return this.file.metadata.has(this.#name(key));
  }

  number(key: string): number {
    return this.file.metadata.number(this.#name(key));
  }

  numberOr(key: string, fallback: number): number {
    return this.file.metadata.numberOr(this.#name(key), fallback);
  }

  /** A positive whole number. */
  count(key: string): number {
    const value = this.number(key);
    if (Number.isInteger(value) && value > 0) return value;
    throw this.invalid(key, `is ${value}, expected a positive whole number`);
  }

  /** A whole number, 0 too. */
  countOr(key: string, fallback: number): number {
    const value = this.numberOr(key, fallback);
    if (Number.isInteger(value) && value >= 0) return value;
    throw this.invalid(key, `is ${value}, expected a whole number of at least 0`);
  }

  flagOr(key: string, fallback: boolean): boolean {
    return this.file.metadata.booleanOr(this.#name(key), fallback);
  }

  textOr(key: string, fallback: string): string {
    return this.file.metadata.stringOr(this.#name(key), fallback);
  }

  invalid(key: string, problem: string): Error {
    return remoeError("MODEL_METADATA_INVALID", { path: this.file.path, key: this.#name(key), problem });
  }

  #name(key: string): string {
    return `${this.#prefix}.${key}`;
  }
}
