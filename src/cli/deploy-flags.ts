import type { Command } from "commander";
import { remoeError } from "../core/errors.ts";
import type { DeployOptions, HistoryPlace } from "../deploy/deploy-options.ts";
import type { Keys } from "../deploy/keys.ts";
import { parseModelVolume } from "../deploy/volume-source.ts";
import { byteSize, collect, decimalNumber, duration, wholeNumber } from "./argument-parsers.ts";
import { flag } from "./flag.ts";
import { readApiKey } from "./read-api-key.ts";
import { readDeploySettings } from "./read-deploy-settings.ts";
import { addServedFlags, toServedFlags } from "./served-flags.ts";

/** What {@link addDeployFlags} gives a command's action. */
export interface DeployFlags {
  readonly image: string;
  readonly imagePullPolicy: DeployOptions["imagePullPolicy"];
  readonly imagePullSecret: readonly string[];
  readonly knative?: boolean;
  readonly gatewayReplicas: number;
  readonly gatewayMemory: number;
  readonly gatewayCpus: number;
  readonly model?: string;
  readonly modelVolume?: string;
  readonly historyVolume?: string;
  readonly apiKey?: string;
  readonly apiKeyFile?: string;
  readonly modelToken?: string;
  readonly allowUnprotected?: boolean;
  readonly secret?: string;
  readonly serviceType: DeployOptions["serviceType"];
  readonly env: readonly string[];
  readonly label: readonly string[];
  readonly settings?: string;
  /** As text: it is handed on to the gateway. */
  readonly drainTimeout: string | number;
}

const MIB = 2 ** 20;

/** Adds the flags that say what is deployed: those of a deployment, then those of `serve`. */
export function addDeployFlags(command: Command): Command {
  addImageFlags(command);
  addGatewayFlags(command);
  addKeyFlags(command);
  return addServedFlags(command);
}

function addImageFlags(command: Command): void {
  command
    .addOption(flag("--image <reference>", "image of the gateway and its functions", { required: true }))
    .addOption(
      flag("--image-pull-policy <policy>", "when nodes fetch it", {
        choices: ["Always", "IfNotPresent", "Never"],
        initial: "IfNotPresent",
      }),
    )
    .addOption(
      flag("--image-pull-secret <name>", "Secret to fetch it with; may be given several times", {
        parse: collect,
        initial: [],
        initially: "none",
      }),
    )
    .addOption(flag("-m, --model <place>", "path in the container or URL", { initially: "the image's tiny-moe" }))
    .addOption(
      flag(
        "--model-volume <volume>",
        "what is mounted at /models: pvc:CLAIM, host:/path, image:REFERENCE, nfs:SERVER:/path",
      ),
    )
    .addOption(
      flag("--history-volume <volume>", "where past requests are kept to predict from: pod or pvc:CLAIM", {
        initially: "nowhere",
      }),
    );
}

function addGatewayFlags(command: Command): void {
  command
    .addOption(flag("--knative", "gateways and functions as Services of Knative, which adds gateways under load"))
    .addOption(
      flag("--gateway-replicas <n>", "gateways; with --knative, the fewest", { parse: wholeNumber(1), initial: 1 }),
    )
    .addOption(
      flag("--gateway-memory <size>", "memory of a gateway", {
        parse: byteSize,
        initial: 1024 * MIB,
        initially: "1GiB",
      }),
    )
    .addOption(
      flag("--gateway-cpus <n>", "processors that a gateway is sure of", { parse: decimalNumber, initial: 0.5 }),
    )
    .addOption(
      flag("--service-type <type>", "how the gateways are reached", {
        choices: ["ClusterIP", "NodePort", "LoadBalancer"],
        initial: "ClusterIP",
      }),
    )
    .addOption(
      flag("--env <name=value>", "variable of the gateways; may be given several times", {
        parse: collect,
        initial: [],
        initially: "none",
      }),
    )
    .addOption(
      flag("--label <key=value>", "label of every object; may be given several times", {
        parse: collect,
        initial: [],
        initially: "none",
      }),
    )
    .addOption(flag("--settings <file>", "where gateways and functions may run (YAML or JSON)"));
}

function addKeyFlags(command: Command): void {
  const others = ["apiKeyFile", "allowUnprotected", "secret"];
  command
    .addOption(flag("--api-key <key>", "key that clients must send (default: one is made)", { conflicts: others }))
    .addOption(flag("--api-key-file <file>", "file with the key", { conflicts: ["allowUnprotected", "secret"] }))
    .addOption(flag("--model-token <token>", "what the server of a model's URL wants", { conflicts: "secret" }))
    .addOption(flag("--allow-unprotected", "let everybody in who reaches a gateway"))
    .addOption(
      flag("--secret <name>", "Secret of yours with function-secret and api-key, instead of one that is made"),
    );
}

/** The keys that the user gave. @throws USAGE_INVALID */
export function givenKeys({ apiKey, apiKeyFile, modelToken }: DeployFlags): Partial<Keys> {
  const key = apiKeyFile === undefined ? apiKey : readApiKey(apiKeyFile);
  return { ...(key === undefined ? {} : { apiKey: key }), ...(modelToken === undefined ? {} : { modelToken }) };
}

/**
 * The options that a command line says.
 * @throws DEPLOY_INVALID, KUBERNETES_SETTINGS_INVALID
 */
export function toDeployOptions(
  flags: DeployFlags,
  { name, namespace, command }: { readonly name: string; readonly namespace: string; readonly command: Command },
): DeployOptions {
  const { functions, gateway } = flags.settings === undefined ? NO_SETTINGS : readDeploySettings(flags.settings);
  const { image, imagePullPolicy, model = null, modelVolume, secret = null, serviceType, drainTimeout } = flags;
  const volume = modelVolume === undefined ? {} : { modelVolume: parseModelVolume(name, modelVolume) };
  return {
    ...{ name, namespace, image, imagePullPolicy, model, serviceType, gateway },
    ...toServedFlags(command, name),
    imagePullSecrets: flags.imagePullSecret,
    replicas: flags.gatewayReplicas,
    knative: flags.knative === true,
    resources: { memoryMb: Math.floor(flags.gatewayMemory / MIB), cpus: flags.gatewayCpus },
    drainMs: typeof drainTimeout === "number" ? drainTimeout : duration(drainTimeout),
    protected: flags.allowUnprotected !== true,
    secretName: secret,
    history: toHistoryPlace(name, flags.historyVolume),
    functions: { ...functions, ...volume },
    environment: Object.fromEntries(flags.env.map(splitPair)),
    labels: Object.fromEntries(flags.label.map(splitPair)),
  };
}

const NO_SETTINGS = { functions: {}, gateway: {} } as const;

function toHistoryPlace(name: string, text: string | undefined): HistoryPlace {
  if (text === undefined) return { type: "none" };
  if (text === "pod") return { type: "pod" };
  const [, claim] = /^pvc:(.+)$/.exec(text) ?? [];
  if (claim !== undefined) return { type: "claim", claim };
  throw remoeError("DEPLOY_INVALID", { name, problem: `'${text}' is no place for a history; give pod or pvc:CLAIM` });
}

function splitPair(text: string): readonly [string, string] {
  const at = text.indexOf("=");
  return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
}
