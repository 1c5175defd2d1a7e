export {
  ERRORS,
  type ErrorCode,
  type ErrorDetails,
  isRemoeError,
  RemoeError,
  reviveError,
  type SerialisedError,
} from "./core/errors.ts";
export { VERSION } from "./core/version.ts";
export { openModel } from "./gguf/open-model.ts";
export type { GgufFile } from "./gguf/read.ts";
