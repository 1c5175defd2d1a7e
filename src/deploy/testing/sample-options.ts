import type { DeployOptions } from "../deploy-options.ts";

/** Options of a small deployment, with what a test wants otherwise. */
export function sampleOptions(changed: Partial<DeployOptions> = {}): DeployOptions {
  return {
    name: "chat",
    namespace: "models",
    image: "registry.example/remoe:1",
    imagePullPolicy: "IfNotPresent",
    imagePullSecrets: [],
    replicas: 1,
    knative: false,
    resources: { memoryMb: 1024, cpus: 0.5 },
    model: "/models/tiny.gguf",
    serveArguments: ["--parallel", "2"],
    files: {},
    environment: {},
    drainMs: 30_000,
    protected: true,
    secretName: null,
    history: { type: "none" },
    serviceType: "ClusterIP",
    functions: {
      modelVolume: {
        mountPath: "/models",
        source: { persistentVolumeClaim: { claimName: "models", readOnly: true } },
      },
    },
    gateway: {},
    labels: {},
    ...changed,
  };
}

export const SAMPLE_KEYS = {
  functionSecret: "the secret of functions",
  apiKey: "the key of clients",
  modelToken: "the token of the model's server",
} as const;
