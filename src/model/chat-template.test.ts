import { describe, expect, it } from "vitest";
import { type ChatMessage, type ChatTemplateOptions, createChatTemplate } from "./chat-template.ts";

const system = (content: string): ChatMessage => ({ role: "system", content });
const user = (content: ChatMessage["content"]): ChatMessage => ({ role: "user", content });
const assistant = (content: string): ChatMessage => ({ role: "assistant", content });

function render(source: string, messages: readonly ChatMessage[], options: ChatTemplateOptions = {}): string {
  return createChatTemplate(source, options).render(messages, { addGenerationPrompt: true });
}

/** As the bundled tiny-moe has it. */
const CHATML = String.raw`{%- for message in messages -%}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}{%- endfor -%}{%- if add_generation_prompt -%}{{ '<|im_start|>assistant\n' }}{%- endif -%}`;

const CHATML_WITH_DEFAULT_SYSTEM = `
{%- if messages[0].role != 'system' %}
    {{- '<|im_start|>system\\nBe helpful.<|im_end|>\\n' }}
{%- endif %}
{%- for message in messages %}
    {{- '<|im_start|>' ~ message.role ~ '\\n' ~ message.content ~ '<|im_end|>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}
        {{- '<think>\\n\\n</think>\\n\\n' }}
    {%- endif %}
{%- endif %}
`;

const LLAMA_3 = `
{{- bos_token }}
{%- set date = strftime_now("%d %b %Y") %}
{%- for message in messages %}
    {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' }}
    {%- if loop.first and message['role'] == 'system' %}
        {{- "Today Date: " + date + "\\n\\n" }}
    {%- endif %}
    {{- message['content'] | trim + '<|eot_id|>' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}
{%- endif %}
`;

const GEMMA = `{{ bos_token }}
{%- if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}
{%- for message in messages %}
{%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}
{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}
{%- endif %}
{%- set role = 'model' if message['role'] == 'assistant' else message['role'] %}
{{- '<start_of_turn>' + role + '\\n' + message['content'] | trim + '<end_of_turn>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<start_of_turn>model\\n' }}{% endif %}`;

const INSTRUCT = `
{%- if messages[0]["role"] == "system" %}
    {%- set system_message = messages[0]["content"] %}
    {%- set loop_messages = messages[1:] %}
{%- else %}
    {%- set loop_messages = messages %}
{%- endif %}
{{- bos_token }}
{%- for message in loop_messages %}
    {%- if message["role"] == "user" %}
        {{- "[INST] " }}{% if loop.last and system_message is defined %}{{ system_message + "\\n\\n" }}{% endif %}{{ message["content"] + " [/INST]" }}
    {%- else %}
        {{- " " + message["content"] + eos_token }}
    {%- endif %}
{%- endfor %}
`;

const TOOLS = `
{%- if tools is not none %}
    {%- for tool in tools %}{{ tool.function.name + ': ' + tool.function.parameters | tojson + '\\n' }}{% endfor %}
{%- endif %}
{%- for message in messages %}
    {{- message.role + ':' + message.content }}
    {%- for call in message.tool_calls or [] %}{{ call.function.name }}({{ call.function.arguments | tojson }}){% endfor %}
{%- endfor %}
`;

describe("templates in the style of well-known models", () => {
  it("ChatML", () => {
    expect(render(CHATML, [system("Be brief."), user("Hi"), assistant("Hello"), user("Bye")])).toBe(
      "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n" +
        "<|im_start|>assistant\nHello<|im_end|>\n<|im_start|>user\nBye<|im_end|>\n<|im_start|>assistant\n",
    );
  });

  it("ChatML without the beginning of an answer", () => {
    const template = createChatTemplate(CHATML);
    expect(template.render([user("Hi")], { addGenerationPrompt: false })).toBe("<|im_start|>user\nHi<|im_end|>\n");
  });

  it("ChatML with a default system message and a variable of its own", () => {
    const template = createChatTemplate(CHATML_WITH_DEFAULT_SYSTEM);
    const prompt = "<|im_start|>system\nBe helpful.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n";
    expect(template.render([user("Hi")], { addGenerationPrompt: true })).toBe(prompt);
    const extra = { enable_thinking: false };
    expect(template.render([user("Hi")], { addGenerationPrompt: true, extra })).toBe(
      `${prompt}<think>\n\n</think>\n\n`,
    );
  });

  it("Llama 3, with today's date", () => {
    const now = () => new Date("2025-03-09T23:30:00Z");
    expect(render(LLAMA_3, [system("Be brief. "), user(" Hi")], { bosToken: "<|begin_of_text|>", now })).toBe(
      "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nToday Date: 09 Mar 2025\n\nBe brief.<|eot_id|>" +
        "<|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n",
    );
  });

  it("Gemma, whose roles alternate", () => {
    const conversation = [user("Hi "), assistant("Hello"), user("Bye")];
    expect(render(GEMMA, conversation, { bosToken: "<bos>" })).toBe(
      "<bos><start_of_turn>user\nHi<end_of_turn>\n<start_of_turn>model\nHello<end_of_turn>\n" +
        "<start_of_turn>user\nBye<end_of_turn>\n<start_of_turn>model\n",
    );
    expect(() => render(GEMMA, [user("Hi"), user("Hi?")])).toThrow(
      "refused the messages: Conversation roles must alternate user/assistant/user/assistant/...",
    );
    expect(() => render(GEMMA, [system("Be brief.")])).toThrow("refused the messages: System role not supported");
  });

  it("[INST], which puts the system message into the last turn", () => {
    const conversation = [system("Be brief."), user("Hi"), assistant("Hello"), user("Bye")];
    expect(render(INSTRUCT, conversation, { bosToken: "<s>", eosToken: "</s>" })).toBe(
      "<s>[INST] Hi [/INST] Hello</s>[INST] Be brief.\n\nBye [/INST]",
    );
  });

  it("tools and their calls, whose arguments are a mapping", () => {
    const call = { id: "1", type: "function", function: { name: "add", arguments: '{"a": 1,"b":[2]}' } } as const;
    const tool = { type: "function", function: { name: "add", parameters: { type: "object" } } };
    const messages: ChatMessage[] = [user("1+2?"), { role: "assistant", content: null, tool_calls: [call] }];
    const template = createChatTemplate(TOOLS);
    expect(template.render(messages, { addGenerationPrompt: true, tools: [tool] })).toBe(
      'add: {"type": "object"}\nuser:1+2?assistant:add({"a": 1, "b": [2]})',
    );
    expect(template.render([user("Hi")], { addGenerationPrompt: true })).toBe("user:Hi");
  });
});

describe("content", () => {
  it("given as parts is joined", () => {
    const parts = [
      { type: "text", text: "one " },
      { type: "text", text: "two" },
    ];
    expect(render("{{ messages[0].content }}", [user(parts)])).toBe("one two");
  });

  it("that is not text is refused", () => {
    const parts = [{ type: "text", text: "What is this?" }, { type: "image_url" }];
    expect(() => render(CHATML, [system("Hi"), user(parts)])).toThrow(
      "message 1 has content of type 'image_url', but the model reads text only",
    );
  });

  it("is never read as a template", () => {
    expect(render("{{ messages[0].content }}", [user("{{ bos_token }}{% for %}")])).toBe("{{ bos_token }}{% for %}");
  });
});

describe("variables", () => {
  it("of a request do not replace those of the conversation", () => {
    const template = createChatTemplate("{{ messages | length }}{{ add_generation_prompt }}");
    const extra = { messages: [], add_generation_prompt: true };
    expect(template.render([user("Hi")], { addGenerationPrompt: false, extra })).toBe("1false");
  });

  it.each([
    ["range(3)", "0 1 2 "],
    ["range(2, 4)", "2 3 "],
    ["range(7, 0, -3)", "7 4 1 "],
    ["range(4, 2)", ""],
  ])("include Python's %s", (range, expected) => {
    expect(render(`{% for i in ${range} %}{{ i }} {% endfor %}`, [])).toBe(expected);
  });
});

describe("a broken or hostile template", () => {
  it("that cannot be parsed is reported", () => {
    expect(() => render("{% for m in messages %}", [])).toThrow("chat template cannot be read");
    expect(() => render(`{{ ${"(".repeat(100_000)} }}`, [])).toThrow("chat template cannot be read");
  });

  it("may be given to a model that never uses it", () => {
    expect(() => createChatTemplate("{% nonsense")).not.toThrow();
  });

  it.each<[what: string, source: string, reason: string]>([
    ["is too long", " ".repeat(300_000), "cannot be read: it has 300000 characters, more than 262144"],
    ["takes long to read", `${" ".repeat(250_000)}x`, "cannot be read: it took longer than 1000 ms"],
    [
      "never ends",
      `${"{% for i in range(9999) %}".repeat(4)}${"{% endfor %}".repeat(4)}`,
      "refused the messages: it took longer than 1000 ms",
    ],
    ["asks for a huge list", "{{ range(1000000000) }}", "range() of 1000000000 numbers, more than 10000"],
    [
      "doubles a text",
      "{% set ns = namespace(x='x') %}{% for i in range(99) %}{% set ns.x = ns.x + ns.x %}{% endfor %}",
      "it made lists and text of",
    ],
    [
      "doubles a list",
      "{% set ns = namespace(x=[1]) %}{% for i in range(99) %}{% set ns.x = ns.x + ns.x %}{% endfor %}",
      "it made lists and text of",
    ],
    [
      "writes too much",
      `{% for i in range(200) %}${"x".repeat(100_000)}{% endfor %}`,
      "it wrote 20000000 characters, more than 16777216",
    ],
    ["writes what contains itself", "{% set ns = namespace() %}{% set ns.x = ns %}{{ ns | tojson }}", "call stack"],
    ["calls what does not exist", "{{ process.exit() }}", "not a function"],
  ])("that %s is refused", (_what, source, reason) => {
    expect(() => render(source, [])).toThrow(reason);
  });
});
