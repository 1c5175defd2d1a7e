import { remoeError } from "../core/errors.ts";
import { loadLlama, type Native } from "./library.ts";
import type { LlamaModel, LlamaVocabulary } from "./signatures.ts";

/**
 * A model's vocabulary, read by libllama itself: exact for every GGUF. Loads no weights.
 * Implements the `Tokenizer` of src/model.
 */
export class Vocabulary implements Disposable {
  readonly size: number;
  readonly endOfGeneration: readonly number[];
  readonly #llama: ReturnType<typeof loadLlama>;
  readonly #model: LlamaModel;
  readonly #vocabulary: LlamaVocabulary;
  readonly #pieces = new Map<number, Uint8Array>();

  /** @throws NATIVE_CALL_FAILED when libllama does not accept the file's vocabulary */
  constructor(native: Native, path: string) {
    this.#llama = loadLlama(native);
    const parameters = this.#llama.llama_model_default_params();
    parameters.vocab_only = true;
    const model = this.#llama.llama_model_load_from_file(path, parameters);
    if (model === null) {
      throw remoeError("NATIVE_CALL_FAILED", { call: "llama_model_load_from_file", reason: `vocabulary of '${path}'` });
    }
    this.#model = model;
    this.#vocabulary = this.#llama.llama_model_get_vocab(model);
    this.size = this.#llama.llama_vocab_n_tokens(this.#vocabulary);
    this.endOfGeneration = Array.from({ length: this.size }, (_, token) => token).filter((token) =>
      this.#llama.llama_vocab_is_eog(this.#vocabulary, token),
    );
  }

  encode(text: string, options: { readonly addSpecial: boolean; readonly parseSpecial: boolean }): number[] {
    const bytes = new TextEncoder().encode(text);
    // One token a byte, and room for BOS and EOS, is the most there can be.
    const tokens = new Int32Array(bytes.length + 8);
    const count = this.#llama.llama_tokenize(
      this.#vocabulary,
      bytes,
      bytes.length,
      tokens,
      tokens.length,
      options.addSpecial,
      options.parseSpecial,
    );
    if (count < 0) {
      throw remoeError("NATIVE_CALL_FAILED", { call: "llama_tokenize", reason: `needs ${-count} tokens of room` });
    }
    return Array.from(tokens.subarray(0, count));
  }

  name(token: number): string {
    return new TextDecoder().decode(this.#decode(token, true));
  }

  piece(token: number): Uint8Array {
    const known = this.#pieces.get(token);
    if (known !== undefined) return known;
    const piece = this.#decode(token, false);
    this.#pieces.set(token, piece);
    return piece;
  }

  #decode(token: number, special: boolean): Uint8Array {
    let room = new Uint8Array(64);
    let length = this.#llama.llama_token_to_piece(this.#vocabulary, token, room, room.length, 0, special);
    if (length < 0) {
      room = new Uint8Array(-length);
      length = this.#llama.llama_token_to_piece(this.#vocabulary, token, room, room.length, 0, special);
    }
    return room.subarray(0, length);
  }

  [Symbol.dispose](): void {
    this.#llama.llama_model_free(this.#model);
  }
}
