import { existsSync, statSync } from "node:fs";
import { availableParallelism } from "node:os";
import { basename } from "node:path";
import { remoeError } from "../core/errors.ts";
import type { Numerics } from "../engine/forward-passes.ts";
import type { MainFunction } from "../functions/protocol.ts";
import type { Admission } from "../gateway/admission.ts";
import { createPipeline, type Pipeline } from "../gateway/pipeline.ts";
import { loadNative } from "../ggml/library.ts";
import { Vocabulary } from "../ggml/vocabulary.ts";
import { type GgufFile, readGguf } from "../gguf/read.ts";
import { type ChatTemplate, createChatTemplate } from "../model/chat-template.ts";
import { architectureOf } from "../model/registry.ts";
import type { Tokenizer } from "../model/tokenizer.ts";
import { type LocalMainFunction, type LocalSpec, startLocalMain } from "../platform/local-process.ts";
import { bundledModel } from "./bundled-model.ts";

export interface SystemOptions {
  /** Path of a model file. Defaults to the bundled tiny-moe. */
  readonly model?: string | undefined;
  /** The name clients ask for. Defaults to the file's, without its ending. */
  readonly alias?: string | undefined;
  /** Defaults to the model's own context, at most {@link DEFAULT_CONTEXT}. */
  readonly contextLength?: number | undefined;
  /** Threads of the main function. Defaults to the processors there are. */
  readonly threads?: number | undefined;
  /** ggml device for everything but the experts. */
  readonly device?: string | undefined;
  readonly numerics?: Numerics | undefined;
  /** Defaults to one request at a time and 64 waiting. */
  readonly admission?: Admission | undefined;
}

/** A model being served: the gateway's side of it here, the main function in a process of its own. */
export interface System {
  readonly pipeline: Pipeline;
  readonly model: { readonly id: string; readonly path: string; readonly contextLength: number };
  /** Running requests end until the deadline; then the main function is killed. Nothing is left behind. */
  stop(deadlineMs: number): Promise<void>;
}

/** Long contexts take memory for their cache: more than this only when asked for. */
const DEFAULT_CONTEXT = 4096;

/** The bundled model answers to its own name, without the quantisation. */
const BUNDLED_NAME = "tiny-moe";

/**
 * Starts everything one model needs. The main function's cold start and the vocabulary's load overlap.
 * @throws MODEL_NOT_FOUND, MODEL_* for a file that is no model Remoe runs, FUNCTION_START_FAILED
 */
export async function startSystem(options: SystemOptions, signal?: AbortSignal): Promise<System> {
  const path = options.model ?? bundledModel();
  if (!existsSync(path)) throw remoeError("MODEL_NOT_FOUND", { path });
  const file = readGguf(path);
  const trained = architectureOf(file).hyperParameters(file).contextLength;
  const contextLength = options.contextLength ?? Math.min(trained, DEFAULT_CONTEXT);
  if (contextLength > trained) throw remoeError("CONTEXT_TOO_LONG", { contextLength, trained });
  const main = keepRunning({
    model: path,
    contextLength,
    threads: options.threads ?? availableParallelism(),
    numerics: options.numerics ?? "default",
    device: options.device ?? null,
  });
  const starting = main.start(signal);
  try {
    const tokenizer = new Vocabulary(loadNative(), path);
    const id = options.alias ?? (options.model === undefined ? BUNDLED_NAME : basename(path, ".gguf"));
    const pipeline = createPipeline({
      model: {
        id,
        created: Math.floor(statSync(path).mtimeMs / 1000),
        contextLength,
        tokenizer,
        template: chatTemplate(file, tokenizer),
      },
      main: () => main.start(),
      clock: () => performance.now(),
      ...(options.admission === undefined ? {} : { admission: options.admission }),
    });
    await starting;
    return { pipeline, model: { id, path, contextLength }, stop: (deadlineMs) => main.stop(deadlineMs) };
  } catch (error) {
    starting.catch(() => {});
    await main.stop(0);
    throw error;
  }
}

/** One main function, started when asked for and again after it died. */
function keepRunning(spec: LocalSpec): {
  start(signal?: AbortSignal): Promise<MainFunction>;
  stop(deadlineMs: number): Promise<void>;
} {
  let current: Promise<LocalMainFunction> | undefined;
  const forget = (): void => {
    current = undefined;
  };
  const start = (signal?: AbortSignal): Promise<LocalMainFunction> => {
    current ??= startLocalMain(spec, signal).then((started) => {
      void started.exited.then(forget);
      return started;
    });
    current.catch(forget);
    return current;
  };
  const stop = async (deadlineMs: number): Promise<void> => {
    const running = await current?.catch(() => undefined);
    await running?.stop(deadlineMs);
  };
  return { start, stop };
}

function chatTemplate({ metadata }: GgufFile, tokenizer: Tokenizer): ChatTemplate | null {
  if (!metadata.has("tokenizer.chat_template")) return null;
  const special = (name: string): string | undefined => {
    const key = `tokenizer.ggml.${name}_token_id`;
    return metadata.has(key) ? tokenizer.name(metadata.number(key)) : undefined;
  };
  const [bosToken, eosToken] = [special("bos"), special("eos")];
  return createChatTemplate(metadata.string("tokenizer.chat_template"), {
    ...(bosToken === undefined ? {} : { bosToken }),
    ...(eosToken === undefined ? {} : { eosToken }),
  });
}
