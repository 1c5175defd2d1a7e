import { Command, type CommanderError } from "commander";
import { remoeError } from "../core/errors.ts";
import { VERSION } from "../core/version.ts";

/** Adds flags, help and action to an empty command. */
export type CommandDefinition = (command: Command) => void;

interface CommandEntry {
  /** Words after `remoe`. */
  readonly words: readonly [group: string, name: string] | readonly [name: string];
  readonly summary: string;
  /** Loads the command's own module: a command line pays for one of them, not for all. */
  readonly load: () => Promise<CommandDefinition>;
}

const COMMANDS: readonly CommandEntry[] = [
  {
    words: ["run"],
    summary: "answer one prompt",
    load: async () => (await import("./commands/run.ts")).defineRun,
  },
  {
    words: ["serve"],
    summary: "serve a model over the OpenAI API",
    load: async () => (await import("./commands/serve.ts")).defineServe,
  },
  {
    words: ["demo"],
    summary: "show Remoe at work on the bundled model, then serve it",
    load: async () => (await import("./commands/demo.ts")).defineDemo,
  },
  {
    words: ["plan"],
    summary: "decide where experts would run, and why",
    load: async () => (await import("./commands/plan.ts")).definePlan,
  },
  {
    words: ["inspect"],
    summary: "say what a model file holds",
    load: async () => (await import("./commands/inspect.ts")).defineInspect,
  },
  {
    words: ["profile"],
    summary: "measure what a model takes on this machine",
    load: async () => (await import("./commands/profile.ts")).defineProfile,
  },
  {
    words: ["trace"],
    summary: "run prompts and keep what they activate",
    load: async () => (await import("./commands/trace.ts")).defineTrace,
  },
  {
    words: ["history", "info"],
    summary: "say what a history holds",
    load: async () => (await import("./commands/history-info.ts")).defineHistoryInfo,
  },
  {
    words: ["history", "export"],
    summary: "write a history as JSONL or CSV",
    load: async () => (await import("./commands/history-export.ts")).defineHistoryExport,
  },
  {
    words: ["history", "import"],
    summary: "append exported records to a history",
    load: async () => (await import("./commands/history-import.ts")).defineHistoryImport,
  },
  {
    words: ["model", "synth"],
    summary: "write a model file of a real model's shape with random weights",
    load: async () => (await import("./commands/model-synth.ts")).defineModelSynth,
  },
  {
    words: ["image", "build"],
    summary: "build the container image of gateways and functions",
    load: async () => (await import("./commands/image-build.ts")).defineImageBuild,
  },
  {
    words: ["bench", "engine"],
    summary: "compare the engine with llama.cpp on the same file",
    load: async () => (await import("./commands/bench-engine.ts")).defineBenchEngine,
  },
  {
    words: ["bench", "streams"],
    summary: "compare streams that decode at once with llama.cpp's",
    load: async () => (await import("./commands/bench-streams.ts")).defineBenchStreams,
  },
  {
    words: ["bench", "models"],
    summary: "check every architecture and quantisation against llama.cpp",
    load: async () => (await import("./commands/bench-models.ts")).defineBenchModels,
  },
  {
    words: ["bench", "load"],
    summary: "compare loading a model with llama.cpp",
    load: async () => (await import("./commands/bench-load.ts")).defineBenchLoad,
  },
  {
    words: ["bench", "wire"],
    summary: "measure a call between two functions",
    load: async () => (await import("./commands/bench-wire.ts")).defineBenchWire,
  },
  {
    words: ["bench", "split"],
    summary: "compare decode with remote experts with decode in one function",
    load: async () => (await import("./commands/bench-split.ts")).defineBenchSplit,
  },
  {
    words: ["bench", "predict"],
    summary: "compare predictors of expert activations",
    load: async () => (await import("./commands/bench-predict.ts")).defineBenchPredict,
  },
  {
    words: ["bench", "plan"],
    summary: "compare planners: cost of plans, time to plan, gap to the optimum",
    load: async () => (await import("./commands/bench-plan.ts")).defineBenchPlan,
  },
  {
    words: ["bench", "cost"],
    summary: "compare what requests cost with different methods",
    load: async () => (await import("./commands/bench-cost.ts")).defineBenchCost,
  },
  {
    words: ["bench", "coldstart"],
    summary: "compare cold starts of different methods",
    load: async () => (await import("./commands/bench-coldstart.ts")).defineBenchColdStart,
  },
  {
    words: ["deploy", "k8s"],
    summary: "deploy a gateway to a Kubernetes cluster",
    load: async () => (await import("./commands/deploy-k8s.ts")).defineDeployK8s,
  },
  {
    words: ["status"],
    summary: "say what a deployment is at",
    load: async () => (await import("./commands/status.ts")).defineStatus,
  },
  {
    words: ["logs"],
    summary: "print what a deployment's gateways wrote",
    load: async () => (await import("./commands/logs.ts")).defineLogs,
  },
  {
    words: ["rollback"],
    summary: "apply an earlier revision of a deployment",
    load: async () => (await import("./commands/rollback.ts")).defineRollback,
  },
  {
    words: ["undeploy"],
    summary: "remove a deployment from a cluster",
    load: async () => (await import("./commands/undeploy.ts")).defineUndeploy,
  },
  {
    words: ["bench", "platform"],
    summary: "compare starts and warm requests on a platform with local processes",
    load: async () => (await import("./commands/bench-platform.ts")).defineBenchPlatform,
  },
  {
    words: ["doctor"],
    summary: "check that Remoe can run on this machine",
    load: async () => (await import("./commands/doctor.ts")).defineDoctor,
  },
  {
    words: ["completion"],
    summary: "print the completion script of a shell",
    load: async () => (await import("./commands/completion.ts")).defineCompletion(createFullProgram),
  },
  {
    words: ["version"],
    summary: "print the version",
    load: async () => (await import("./commands/version.ts")).defineVersion,
  },
];

const GROUPS: Readonly<Record<string, string>> = {
  bench: "run benchmarks",
  deploy: "deploy to where functions run",
  history: "look into recorded histories",
  image: "make container images",
  model: "make model files",
};

/** The program with the command that `argv` asks for; the others have their names and summaries only. */
export function createProgram(argv: readonly string[]): Promise<Command> {
  return buildProgram(({ words }) => words.every((word, index) => argv[index] === word));
}

/** The program with every command, for what describes them all. */
export function createFullProgram(): Promise<Command> {
  return buildProgram(() => true);
}

async function buildProgram(isWanted: (entry: CommandEntry) => boolean): Promise<Command> {
  const program = withErrors(new Command("remoe"))
    .description("Serves Mixture-of-Experts language models from serverless functions.")
    .version(VERSION, "-V, --version", "print the version")
    .helpOption("-h, --help", "show help")
    .helpCommand(false)
    .addHelpText("after", EXAMPLES);
  for (const entry of COMMANDS) {
    const command = addCommand(program, entry.words).summary(entry.summary);
    if (isWanted(entry)) (await entry.load())(command);
  }
  return program;
}

const EXAMPLES = `
Examples:
  remoe demo --once
  remoe run "Once upon a time"
  remoe serve --port 8080
  remoe <command> --help`;

function addCommand(program: Command, words: CommandEntry["words"]): Command {
  if (words.length === 1) return withErrors(program.command(words[0]));
  const [group, name] = words;
  return withErrors(findGroup(program, group).command(name));
}

function findGroup(program: Command, name: string): Command {
  const found = program.commands.find((command) => command.name() === name);
  return (
    found ??
    withErrors(program.command(name))
      .description(GROUPS[name] ?? name)
      .helpCommand(false)
  );
}

/** Makes usage errors ours: thrown, not printed, and naming the command they belong to. */
function withErrors(command: Command): Command {
  return command.configureOutput({ outputError: () => {} }).exitOverride((error) => {
    throw isUsageError(error) ? usageError(error, command) : error;
  });
}

/** The others are `--help` and `--version`. */
function isUsageError({ exitCode }: CommanderError): boolean {
  return exitCode !== 0;
}

function usageError(error: CommanderError, command: Command): Error {
  const said = error.message.replace(/^error: /, "").replace(/\s*\n/g, " ");
  const problem = error.code === "commander.help" ? "a command is missing" : said;
  return remoeError("USAGE_INVALID", { problem, command: fullName(command) }, error);
}

function fullName(command: Command): string {
  return command.parent === null ? command.name() : `${fullName(command.parent)} ${command.name()}`;
}
