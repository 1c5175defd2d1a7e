import { modelFingerprint, tokenizerFingerprint } from "../gguf/fingerprint.ts";
import type { GgufFile } from "../gguf/read.ts";
import type { HistoryIdentity } from "../history/identity.ts";
import { readTransformer } from "../model/registry.ts";

/** What a history of this model file belongs to. */
export async function historyIdentity(file: GgufFile): Promise<HistoryIdentity> {
  const { layers, experts, expertsPerToken, hidden, vocabulary } = readTransformer(file).hyper;
  return {
    layers,
    experts,
    expertsPerToken,
    dimensions: hidden,
    vocabularySize: vocabulary,
    model: await modelFingerprint(file),
    tokenizer: tokenizerFingerprint(file),
  };
}
