/** What the rest of the system needs of a model's vocabulary; `src/ggml/vocabulary.ts` implements it on libllama. */
export interface Tokenizer {
  readonly size: number;
  /** Tokens that end a generation (EOS, end of turn, …). */
  readonly endOfGeneration: readonly number[];
  /** `addSpecial`: prepend BOS if the model wants it. `parseSpecial`: read `<|im_end|>` as one token, not as text. */
  encode(text: string, options: { readonly addSpecial: boolean; readonly parseSpecial: boolean }): number[];
  /** The bytes a token stands for: possibly only part of a UTF-8 character. Special tokens give no bytes. */
  piece(token: number): Uint8Array;
  /** The token's name in the vocabulary, e.g. `<|im_end|>`: what chat templates write. */
  name(token: number): string;
  [Symbol.dispose](): void;
}
