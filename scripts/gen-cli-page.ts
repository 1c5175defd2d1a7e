import type { Command } from "commander";
import { createFullProgram } from "../src/cli/program.ts";

const HEAD = `# Commands

What \`remoe COMMAND --help\` prints. A flag wins over its environment variable.

<!-- Generated from src/cli by \`npm run docs\`. -->
`;

/** Columns of the help texts, whatever the terminal. */
const WIDTH = 100;

/** The help of every command as the Markdown of docs/cli.md. */
export async function cliPage(): Promise<string> {
  const program = await createFullProgram();
  return `${HEAD}\n${leaves(program).map(section).join("\n")}`;
}

function leaves(command: Command): readonly Command[] {
  return command.commands.length === 0 ? [command] : command.commands.flatMap(leaves);
}

function section(command: Command): string {
  command.configureHelp({ helpWidth: WIDTH });
  return `## ${fullName(command)}\n\n\`\`\`text\n${helpOf(command).trimEnd()}\n\`\`\`\n`;
}

/** With the examples, which `helpInformation` leaves away. */
function helpOf(command: Command): string {
  let help = "";
  command.configureOutput({
    writeOut: (text) => {
      help += text;
    },
  });
  command.outputHelp();
  return help;
}

function fullName(command: Command): string {
  return command.parent === null ? command.name() : `${fullName(command.parent)} ${command.name()}`;
}
