import type { Command } from "commander";

export const COMPLETION_SHELLS = ["bash", "zsh", "fish"] as const;

export type CompletionShell = (typeof COMPLETION_SHELLS)[number];

/** A command with what may follow it. */
interface CompletionNode {
  /** Words after the program's name; none for the program itself. */
  readonly words: readonly string[];
  readonly subcommands: readonly { readonly name: string; readonly summary: string }[];
  readonly flags: readonly { readonly long: string; readonly description: string }[];
}

/** A script that completes the commands and long flags of a program. */
export function completionScript(program: Command, shell: CompletionShell): string {
  const nodes = collectNodes(program, []);
  switch (shell) {
    case "bash":
      return bashScript(nodes);
    case "zsh":
      return zshScript(nodes);
    case "fish":
      return fishScript(nodes);
  }
}

/** Deepest first, so that the first match of a prefix is the longest. */
function collectNodes(command: Command, words: readonly string[]): readonly CompletionNode[] {
  const node = {
    words,
    subcommands: command.commands.map((child) => ({
      name: child.name(),
      summary: child.summary() || child.description(),
    })),
    flags: [...command.options.map(({ long, description }) => ({ long: long ?? "", description })), HELP],
  };
  return [...command.commands.flatMap((child) => collectNodes(child, [...words, child.name()])), node];
}

const HELP = { long: "--help", description: "show help" };

/** Shell `case` branches: the words typed so far → what may follow. */
function caseBranches(nodes: readonly CompletionNode[], assign: (candidates: string) => string): string {
  return nodes
    .map(({ words, subcommands, flags }) => {
      const candidates = [...subcommands.map(({ name }) => name), ...flags.map(({ long }) => long)].join(" ");
      const pattern = words.length === 0 ? "*" : `"${words.join(" ")} "*`;
      return `    ${pattern}) ${assign(candidates)} ;;`;
    })
    .join("\n");
}

function bashScript(nodes: readonly CompletionNode[]): string {
  return `# bash completion of remoe: source <(remoe completion bash)
_remoe() {
  local candidates
  case "\${COMP_WORDS[*]:1:COMP_CWORD-1} " in
${caseBranches(nodes, (candidates) => `candidates="${candidates}"`)}
  esac
  COMPREPLY=($(compgen -W "$candidates" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _remoe remoe
`;
}

function zshScript(nodes: readonly CompletionNode[]): string {
  return `#compdef remoe
_remoe() {
  local -a candidates
  case "\${words[2,CURRENT-1]} " in
${caseBranches(nodes, (candidates) => `candidates=(${candidates})`)}
  esac
  compadd -a candidates
  _files
}
# Autoloaded as a function this file is the completion itself, sourced it registers it.
if [ "$funcstack[1]" = "_remoe" ]; then _remoe "$@"; else compdef _remoe remoe; fi
`;
}

function fishScript(nodes: readonly CompletionNode[]): string {
  const lines = nodes.flatMap(({ words, subcommands, flags }) => {
    const condition = fishCondition(words, subcommands);
    return [
      ...subcommands.map(({ name, summary }) => `complete -c remoe -f -n ${condition} -a ${name} -d ${quote(summary)}`),
      ...flags.map(
        ({ long, description }) => `complete -c remoe -n ${condition} -l ${long.slice(2)} -d ${quote(description)}`,
      ),
    ];
  });
  return `# fish completion of remoe\n${lines.join("\n")}\n`;
}

/** True when the words of a command were typed and none of its subcommands. */
function fishCondition(words: readonly string[], subcommands: CompletionNode["subcommands"]): string {
  const typed = words.map((word) => `__fish_seen_subcommand_from ${word}`);
  const names = subcommands.map(({ name }) => name).join(" ");
  const untyped = names === "" ? [] : [`not __fish_seen_subcommand_from ${names}`];
  return quote([...typed, ...untyped].join("; and "));
}

function quote(text: string): string {
  return `'${text.replace(/['\\]/g, "\\$&")}'`;
}
