import type { PriceBook } from "../../ledger/price-book.ts";
import { DEFAULT_PRICE_BOOK, PRICE_BOOKS } from "../../ledger/price-books.ts";
import { createChatTemplate } from "../../model/chat-template.ts";
import type { Plan } from "../../planner/plan.ts";
import { Admission, type AdmissionOptions } from "../admission.ts";
import { toFunctionSpecs } from "../function-specs.ts";
import { createGateway, type Gateway, type GatewayOptions } from "../gateway.ts";
import { createPipeline, type Pipeline } from "../pipeline.ts";
import { fixedPlan } from "../plan-choice.ts";
import type { ServedModel } from "../prompt.ts";
import { unlessAborted } from "../unless-aborted.ts";
import { byteTokenizer } from "./byte-tokenizer.ts";
import { createScriptedFunctions, type Script, type ScriptedFunctions } from "./scripted-functions.ts";

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

export const testPlan: Plan = { specMain: { memoryMb: 1024 }, layers: [] };
export const { main: testMain } = toFunctionSpecs(testPlan, {
  model: "tiny.gguf",
  layers: 1,
  experts: 4,
  contextLength: 200,
  parallel: 1,
  numerics: "default",
  device: null,
  threads: 1,
  processors: 1,
});
export const testPriceBook = PRICE_BOOKS.get(DEFAULT_PRICE_BOOK) as PriceBook;

export interface TestGatewayOptions extends Partial<GatewayOptions> {
  readonly script?: Partial<Script>;
  readonly model?: Partial<ServedModel>;
  readonly admission?: Partial<AdmissionOptions>;
  /** Stands before the functions, as a cold start does. */
  readonly coldStart?: Promise<void>;
}

export interface TestGateway {
  readonly gateway: Gateway;
  readonly functions: ScriptedFunctions;
  readonly pipeline: Pipeline;
}

/** A gateway before scripted functions that answer `Hello, world`, on a free port if it listens. */
export function createTestGateway(options: TestGatewayOptions = {}): TestGateway {
  const { script, model, admission, coldStart, ...rest } = options;
  const functions = createScriptedFunctions({ answer: "Hello, world", ...script });
  const clock = () => performance.now();
  const pipeline = createPipeline({
    model: { ...testModel, ...model },
    chooser: fixedPlan(testPlan),
    priceBook: testPriceBook,
    acquire: async (_plan, signal) => {
      await unlessAborted(coldStart ?? Promise.resolve(), signal);
      return await functions.acquire();
    },
    clock,
    admission: new Admission({ clock, ...admission }),
  });
  const gateway = createGateway({ pipelines: [pipeline], version: "1.2.3", port: 0, ...rest });
  return { gateway, functions, pipeline };
}
