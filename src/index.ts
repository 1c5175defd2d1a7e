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
export { type GgufFile, readGguf } from "./gguf/read.ts";
