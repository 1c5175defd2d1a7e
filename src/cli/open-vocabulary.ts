import { randomUUID } from "node:crypto";
import { rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadNative } from "../ggml/library.ts";
import { Vocabulary } from "../ggml/vocabulary.ts";
import type { MetadataValue } from "../gguf/metadata-value.ts";
import type { GgufFile } from "../gguf/read.ts";
import { writeGguf } from "../gguf/write.ts";

/**
 * The vocabulary of a model. libllama reads it from a file: for a model behind a URL from one with its metadata alone, which
 * is gone when this returns.
 * @throws NATIVE_CALL_FAILED, MODEL_UNWRITABLE when the folder for temporary files takes none
 */
export function openVocabulary(file: GgufFile): Vocabulary {
  const native = loadNative();
  if (file.parts.every(({ type }) => type === "disk")) return new Vocabulary(native, file.path);
  const path = join(tmpdir(), `remoe-vocabulary-${randomUUID()}.gguf`);
  try {
    writeGguf(path, { metadata: ownMetadata(file), tensors: [] });
    return new Vocabulary(native, path);
  } finally {
    rmSync(path, { force: true });
  }
}

/** All but that it is a part: libllama would look for the others. */
function ownMetadata({ metadata }: GgufFile): [string, MetadataValue][] {
  const keys = [...metadata.keys()].filter((key) => !key.startsWith("split."));
  return keys.map((key) => [key, metadata.value(key) as MetadataValue]);
}
