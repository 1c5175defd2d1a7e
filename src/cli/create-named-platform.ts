import { totalmem } from "node:os";
import { createPlatform, type PlatformOptions } from "../platform/instance-pool.ts";
import type { Launcher } from "../platform/launcher.ts";
import { createLocalLauncher } from "../platform/local/local-launcher.ts";
import type { Platform } from "../platform/platform.ts";
import { openKubernetes } from "./open-kubernetes.ts";
import type { Turns } from "./open-learning.ts";

export const PLATFORMS = ["local", "docker", "kubernetes"] as const;

export type PlatformName = (typeof PLATFORMS)[number];

export interface NamedPlatformOptions {
  /** Shared by the functions and this gateway. */
  readonly secret: string;
  readonly keepAliveMs?: number | undefined;
  /** Path of the settings that `kubernetes` needs. */
  readonly kubernetesSettings?: string | undefined;
}

export interface NamedPlatform {
  readonly platform: Platform;
  /** Whose turn it is to write what gateways share; `undefined` where this one is alone. */
  readonly turns: Turns | undefined;
  /** When the platform is closed: gives up what it stood on. */
  release(): Promise<void>;
}

/** Of the machine's memory: functions that wait warm must not be what makes it run out. */
const IDLE_SHARE = 0.8;
const MIB = 2 ** 20;

/** @throws CONTAINER_*, KUBERNETES_* */
export async function createNamedPlatform(name: PlatformName, options: NamedPlatformOptions): Promise<NamedPlatform> {
  if (name === "kubernetes") {
    // The memory of a cluster is for its quotas and its scheduler to watch.
    const { launcher, ...rest } = await openKubernetes(options);
    return { platform: toPlatform(launcher, options), ...rest };
  }
  const idleAboveMb = (IDLE_SHARE * totalmem()) / MIB;
  const platform = toPlatform(await createLauncher(name, options.secret), options, { idleAboveMb });
  return { platform, turns: undefined, release: async () => {} };
}

async function createLauncher(name: "local" | "docker", secret: string): Promise<Launcher> {
  if (name === "local") return createLocalLauncher({ secret });
  const { createDockerLauncher } = await import("../platform/docker/docker-launcher.ts");
  return createDockerLauncher({ secret });
}

function toPlatform(launcher: Launcher, { keepAliveMs }: NamedPlatformOptions, limits: PlatformOptions = {}): Platform {
  return createPlatform(launcher, { ...limits, ...(keepAliveMs === undefined ? {} : { keepAliveMs }) });
}
