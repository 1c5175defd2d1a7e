import { docker } from "../../../src/platform/docker/docker-cli.ts";

/** Kills the container of a function's pod as the kernel does: without a word to anybody. */
export async function killContainer(pod: string): Promise<void> {
  const of = (label: string, value: string): string[] => ["--filter", `label=io.kubernetes.${label}=${value}`];
  const found = await docker(["ps", "--quiet", ...of("pod.name", pod), ...of("container.name", "function")]);
  await docker(["kill", "--signal", "KILL", found]);
}
