import { remoeError } from "../core/errors.ts";
import { type JinjaProgram, parseJinja, runJinja } from "./jinja.ts";
import { strftime } from "./strftime.ts";

/** A message as OpenAI's API has it. */
export interface ChatMessage {
  readonly role: string;
  /** `null` where an assistant only calls tools. */
  readonly content: string | null | readonly ContentPart[];
  readonly name?: string | undefined;
  readonly tool_calls?: readonly ToolCall[] | undefined;
  readonly tool_call_id?: string | undefined;
}

export interface ContentPart {
  readonly type: string;
  readonly text?: string | undefined;
}

export interface ToolCall {
  readonly id: string;
  readonly type: "function";
  /** `arguments` is JSON text. */
  readonly function: { readonly name: string; readonly arguments: string };
}

export interface RenderOptions {
  /** End with the beginning of the assistant's answer. */
  readonly addGenerationPrompt: boolean;
  /** Function definitions in OpenAI's form. */
  readonly tools?: readonly unknown[] | undefined;
  /** Further variables a template may know, e.g. `enable_thinking`; they do not replace the ones above. */
  readonly extra?: Readonly<Record<string, unknown>> | undefined;
}

/** The text a model was trained to see for a conversation. */
export interface ChatTemplate {
  /**
   * @throws CHAT_TEMPLATE_INVALID if the template cannot be read, CHAT_TEMPLATE_FAILED with the template's own words if
   * it refuses the messages or exceeds a limit, CHAT_CONTENT_UNSUPPORTED for content that is not text
   */
  render(messages: readonly ChatMessage[], options: RenderOptions): string;
}

export interface ChatTemplateOptions {
  readonly bosToken?: string | undefined;
  readonly eosToken?: string | undefined;
  /** What `strftime_now` reads; default the system's clock. */
  readonly now?: () => Date;
}

/** `range` makes its list at once, and templates use it for small counts only. */
const MAX_RANGE = 10_000;

/**
 * A chat template in Jinja, rendered as Hugging Face's transformers does. The source is read at the first rendering,
 * and only once.
 */
export function createChatTemplate(source: string, options: ChatTemplateOptions = {}): ChatTemplate {
  const { bosToken = "", eosToken = "", now = () => new Date() } = options;
  let program: JinjaProgram | undefined;
  return {
    render(messages, { addGenerationPrompt, tools, extra }) {
      program ??= explained("CHAT_TEMPLATE_INVALID", () => parseJinja(source));
      const parsed = program;
      const variables = {
        ...extra,
        ...globalsOf(now),
        messages: messages.map(toTemplateMessage),
        add_generation_prompt: addGenerationPrompt,
        tools: tools ?? null, // not undefined: templates ask `tools is not none`
        documents: null,
        bos_token: bosToken,
        eos_token: eosToken,
      };
      return explained("CHAT_TEMPLATE_FAILED", () => runJinja(parsed, variables));
    },
  };
}

function explained<Result>(code: "CHAT_TEMPLATE_INVALID" | "CHAT_TEMPLATE_FAILED", work: () => Result): Result {
  try {
    return work();
  } catch (cause) {
    throw remoeError(code, { reason: cause instanceof Error ? cause.message : String(cause) }, cause);
  }
}

function globalsOf(now: () => Date): Readonly<Record<string, unknown>> {
  return {
    true: true,
    True: true,
    false: false,
    False: false,
    none: null,
    None: null,
    range,
    raise_exception: (message: unknown) => {
      throw new Error(String(message));
    },
    strftime_now: (format: unknown) => strftime(now(), String(format)),
  };
}

/** Python's `range`. */
function range(first: number, second?: number, step = 1): number[] {
  const [start, stop] = second === undefined ? [0, first] : [first, second];
  const length = Math.max(0, Math.ceil((stop - start) / step));
  if (!(length <= MAX_RANGE)) throw new Error(`range() of ${length} numbers, more than ${MAX_RANGE}`);
  return Array.from({ length }, (_, index) => start + index * step);
}

function toTemplateMessage(message: ChatMessage, index: number): Readonly<Record<string, unknown>> {
  const { tool_calls: toolCalls, ...rest } = message;
  const content = textOf(message.content, index);
  return toolCalls === undefined
    ? { ...rest, content }
    : { ...rest, content, tool_calls: toolCalls.map(toTemplateCall) };
}

/** Templates join content with other text, so an assistant message without any gets the empty string. */
function textOf(content: ChatMessage["content"], index: number): string {
  if (content === null) return "";
  if (typeof content === "string") return content;
  return content.map((part) => partText(part, index)).join("");
}

function partText({ type, text }: ContentPart, index: number): string {
  if (type !== "text" || text === undefined) throw remoeError("CHAT_CONTENT_UNSUPPORTED", { index, type });
  return text;
}

/** Templates were written for arguments as a mapping, while OpenAI's API has them as JSON text. */
function toTemplateCall(call: ToolCall): Readonly<Record<string, unknown>> {
  return { ...call, function: { ...call.function, arguments: parsedArguments(call.function.arguments) } };
}

function parsedArguments(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return json; // the model wrote it, so it need not be JSON
  }
}
