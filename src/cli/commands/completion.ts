import { Argument, type Command } from "commander";
import { COMPLETION_SHELLS, type CompletionShell, completionScript } from "../completion-script.ts";

/** @param loadProgram gives the program with the flags of all commands */
export function defineCompletion(loadProgram: () => Promise<Command>): (command: Command) => void {
  return (command) => {
    command
      .description("Prints a script that completes commands and flags in a shell.")
      .addArgument(new Argument("<shell>", "shell to complete in").choices(COMPLETION_SHELLS))
      .addHelpText(
        "after",
        `
Examples:
  source <(remoe completion bash)
  remoe completion zsh > ~/.zsh/completions/_remoe
  remoe completion fish > ~/.config/fish/completions/remoe.fish`,
      )
      .action(async (shell: CompletionShell) => {
        process.stdout.write(completionScript(await loadProgram(), shell));
      });
  };
}
