import type { SynthArchitecture } from "./architecture.ts";
import { bailingmoe2 } from "./architectures/bailingmoe2.ts";
import { deepseek2 } from "./architectures/deepseek2.ts";
import { ernie45Moe } from "./architectures/ernie4-5-moe.ts";
import { glm4moe } from "./architectures/glm4moe.ts";
import { gptOss } from "./architectures/gpt-oss.ts";
import { gpt2moe } from "./architectures/gpt2moe.ts";
import { granitemoe } from "./architectures/granitemoe.ts";
import { llama } from "./architectures/llama.ts";
import { olmoe } from "./architectures/olmoe.ts";
import { phimoe } from "./architectures/phimoe.ts";
import { qwen2moe } from "./architectures/qwen2moe.ts";
import { qwen3moe } from "./architectures/qwen3moe.ts";
import type { SynthArchitectureName } from "./shape.ts";

type Registry = { readonly [Name in SynthArchitectureName]: SynthArchitecture<Name> };

/** Every architecture whose files can be written. */
export const SYNTH_ARCHITECTURES: Registry = {
  qwen3moe,
  qwen2moe,
  olmoe,
  llama,
  deepseek2,
  "gpt-oss": gptOss,
  granitemoe,
  glm4moe,
  "ernie4_5-moe": ernie45Moe,
  phimoe,
  bailingmoe2,
  gpt2moe,
};
