import { totalmem } from "node:os";
import { createPlatform } from "../platform/instance-pool.ts";
import type { Launcher } from "../platform/launcher.ts";
import { createLocalLauncher } from "../platform/local/local-launcher.ts";
import type { Platform } from "../platform/platform.ts";

export const PLATFORMS = ["local", "docker"] as const;

export type PlatformName = (typeof PLATFORMS)[number];

interface NamedPlatformOptions {
  /** Shared by the functions and this gateway. */
  readonly secret: string;
  readonly keepAliveMs?: number | undefined;
}

/** Of the machine's memory: functions that wait warm must not be what makes it run out. */
const IDLE_SHARE = 0.8;
const MIB = 2 ** 20;

/** @throws CONTAINER_ENGINE_UNAVAILABLE */
export async function createNamedPlatform(
  name: PlatformName,
  { secret, keepAliveMs }: NamedPlatformOptions,
): Promise<Platform> {
  const launcher = await createLauncher(name, secret);
  const idleAboveMb = (IDLE_SHARE * totalmem()) / MIB;
  return createPlatform(launcher, { idleAboveMb, ...(keepAliveMs === undefined ? {} : { keepAliveMs }) });
}

async function createLauncher(name: PlatformName, secret: string): Promise<Launcher> {
  if (name === "local") return createLocalLauncher({ secret });
  const { createDockerLauncher } = await import("../platform/docker/docker-launcher.ts");
  return createDockerLauncher({ secret });
}
