/**
 * The most that a history may declare. Its bytes are untrusted: without these a few forged ones cost memory out of
 * proportion to the file. For scale: DeepSeek-V3 has 58 layers of 256 experts, 8 a token, 7168 dimensions, 129k tokens.
 */
export const LIMITS = {
  layers: 1024,
  /** Expert ids have 16 bits. */
  experts: 65_536,
  /** Layers × experts: 70 times DeepSeek-V3's. */
  cells: 2 ** 20,
  dimensions: 65_536,
  /** The largest vocabularies have 262k tokens. */
  vocabularySize: 2 ** 24,
  tokenizerBytes: 256,
  idBytes: 256,
  domainBytes: 256,
  /** 35,000 tokens of DeepSeek-V3's routing; longer requests are sampled. */
  recordBytes: 16 * 1024 ** 2,
  /** A record as JSON takes a few times its bytes. */
  lineCharacters: 128 * 1024 ** 2,
} as const;
