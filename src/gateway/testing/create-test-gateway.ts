import { createChatTemplate } from "../../model/chat-template.ts";
import { Admission, type AdmissionOptions } from "../admission.ts";
import { createGateway, type Gateway, type GatewayOptions } from "../gateway.ts";
import { createPipeline, type Pipeline } from "../pipeline.ts";
import type { ServedModel } from "../prompt.ts";
import { byteTokenizer } from "./byte-tokenizer.ts";
import { createScriptedMainFunction, type Script, type ScriptedMainFunction } from "./scripted-main-function.ts";

/** Its prompts read `user: Hello<end>assistant:`, a token a byte and one for `<end>`. */
export const testModel: ServedModel = {
  id: "org/tiny",
  created: 1_700_000_000,
  contextLength: 200,
  tokenizer: byteTokenizer,
  template: createChatTemplate(
    "{% for m in messages %}{{ m.role }}: {{ m.content }}<end>{% endfor %}{% if add_generation_prompt %}assistant:{% endif %}",
  ),
};

export interface TestGatewayOptions extends Partial<GatewayOptions> {
  readonly script?: Partial<Script>;
  readonly model?: Partial<ServedModel>;
  readonly admission?: Partial<AdmissionOptions>;
  /** Stands before the main function, as a cold start does. */
  readonly coldStart?: Promise<void>;
}

export interface TestGateway {
  readonly gateway: Gateway;
  readonly main: ScriptedMainFunction;
  readonly pipeline: Pipeline;
}

/** A gateway before one scripted main function that answers `Hello, world`, on a free port if it listens. */
export function createTestGateway(options: TestGatewayOptions = {}): TestGateway {
  const { script, model, admission, coldStart, ...rest } = options;
  const main = createScriptedMainFunction({ answer: "Hello, world", ...script });
  const clock = () => performance.now();
  const pipeline = createPipeline({
    model: { ...testModel, ...model },
    main: async () => {
      await coldStart;
      return main;
    },
    clock,
    admission: new Admission({ clock, ...admission }),
  });
  const gateway = createGateway({ pipelines: [pipeline], version: "1.2.3", port: 0, ...rest });
  return { gateway, main, pipeline };
}
