import { Command } from "commander";
import { describe, expect, it } from "vitest";
import { completionScript } from "./completion-script.ts";

function program(): Command {
  const root = new Command("remoe").version("1.0.0");
  root.command("run").summary("answer one prompt").option("--seed <n>", "the model's seed");
  root.command("model").description("make model files").command("synth").summary("write one").option("--shape <name>");
  return root;
}

describe("completionScript", () => {
  it("matches the longest command first in bash and zsh", () => {
    for (const shell of ["bash", "zsh"] as const) {
      const script = completionScript(program(), shell);
      expect(script.indexOf('"model synth "*')).toBeGreaterThan(0);
      expect(script.indexOf('"model synth "*')).toBeLessThan(script.indexOf('"model "*'));
      expect(script).toMatch(/"run "\*\) candidates=.*--seed --help/);
    }
  });

  it("describes commands and flags in fish, quoted", () => {
    const lines = completionScript(program(), "fish").split("\n");
    expect(lines).toContain(
      "complete -c remoe -f -n 'not __fish_seen_subcommand_from run model' -a run -d 'answer one prompt'",
    );
    expect(lines).toContain(
      String.raw`complete -c remoe -n '__fish_seen_subcommand_from run' -l seed -d 'the model\'s seed'`,
    );
    expect(lines).toContain(
      "complete -c remoe -f -n '__fish_seen_subcommand_from model; and not __fish_seen_subcommand_from synth' -a synth -d 'write one'",
    );
  });
});
