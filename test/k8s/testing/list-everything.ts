import { execFile } from "node:child_process";
import { promisify } from "node:util";

/** Everything that a namespace holds, but for events, which stay for an hour. */
export async function listEverything(namespace: string): Promise<readonly string[]> {
  const kubectl = async (...words: readonly string[]): Promise<readonly string[]> => {
    const { stdout } = await promisify(execFile)("kubectl", ["--namespace", namespace, ...words]);
    return stdout.trim().split("\n");
  };
  const kinds = await kubectl("api-resources", "--namespaced", "--verbs=list", "-o", "name");
  const shown = kinds.filter((kind) => !kind.startsWith("events"));
  return (await kubectl("get", shown.join(","), "-o", "name", "--ignore-not-found")).toSorted();
}
