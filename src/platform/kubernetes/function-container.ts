import { absoluteModel } from "../../functions/absolute-model.ts";
import type { FunctionStart } from "../../functions/spec.ts";
import type { Pod } from "../../kubernetes/kinds.ts";
import { NODE, PROGRAM } from "../docker/image-files.ts";
import { functionCommand } from "../function-command.ts";
import type { FunctionSpec } from "../platform.ts";
import type { KubernetesSettings } from "./settings.ts";

/** In the Secret of the functions: what they share with the gateway. */
export const SECRET_KEY = "function-secret";
/** In the same Secret, if the model is behind a URL that asks for a token. */
export const MODEL_TOKEN_KEY = "model-token";

const MIB = 2 ** 20;
const LEAST_MILLICPU = 1;

type Container = NonNullable<Pod["spec"]>["containers"][number];

export interface ContainerOptions {
  readonly settings: KubernetesSettings;
  /** Of the Secret with {@link SECRET_KEY} and, if there is one, {@link MODEL_TOKEN_KEY}. */
  readonly secretName: string;
  /** Further variables of the functions' environment. */
  readonly environment: Readonly<Record<string, string>>;
}

/** A function's container, but for its ports and probes: it can compute and read its model, nothing else. */
export function functionContainer(
  spec: FunctionSpec,
  start: Pick<FunctionStart, "listen" | "control">,
  options: ContainerOptions,
): Container {
  const { image, imagePullPolicy, modelVolume } = options.settings;
  const [, ...args] = functionCommand(PROGRAM);
  const resources = resourcesOf(spec, options.settings);
  return {
    name: "function",
    image,
    imagePullPolicy,
    command: [NODE],
    args,
    env: environment(spec, start, options),
    // Equal, so that a function gets what it is billed for, and no other pod's need takes it away.
    resources: { requests: resources, limits: resources },
    terminationMessagePolicy: "FallbackToLogsOnError",
    securityContext: {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ["ALL"] },
    },
    ...(modelVolume && { volumeMounts: [modelMount(modelVolume)] }),
  };
}

function resourcesOf({ memoryMb, vcpus, program }: FunctionSpec, { gpuResource }: KubernetesSettings) {
  const usesDevice = program.role === "main" && program.device !== null;
  return {
    memory: String(Math.floor(memoryMb * MIB)),
    cpu: `${Math.max(LEAST_MILLICPU, Math.round(vcpus * 1000))}m`,
    ...(usesDevice && { [gpuResource ?? "nvidia.com/gpu"]: "1" }),
  };
}

function environment(
  spec: FunctionSpec,
  { listen, control }: Pick<FunctionStart, "listen" | "control">,
  { secretName, environment: further }: ContainerOptions,
) {
  const { name, memoryMb, vcpus } = spec;
  // A relative path would lead elsewhere in another container.
  const program = { ...spec.program, model: absoluteModel(spec.program.model) };
  // Everyone who may see pods can read this; the secret comes from its own object.
  const start = { name, program, memoryMb, vcpus, listen, control };
  const plain = {
    REMOE_FUNCTION: JSON.stringify(start),
    // Reads, repacking and prefill lanes run on libuv's pool, whose size is fixed before the function's first line.
    UV_THREADPOOL_SIZE: String(Math.max(8, 2 * Math.ceil(vcpus))),
    ...further,
  };
  const fromSecret = (key: string, optional: boolean) => ({ secretKeyRef: { name: secretName, key, optional } });
  return [
    ...Object.entries(plain).map(([variable, value]) => ({ name: variable, value })),
    { name: "REMOE_FUNCTION_SECRET", valueFrom: fromSecret(SECRET_KEY, false) },
    { name: "REMOE_MODEL_TOKEN", valueFrom: fromSecret(MODEL_TOKEN_KEY, true) },
  ];
}

function modelMount({ mountPath, subPath }: NonNullable<KubernetesSettings["modelVolume"]>) {
  return { name: "model", mountPath, subPath, readOnly: true };
}
