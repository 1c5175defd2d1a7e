import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Pod, Secret } from "../../../kubernetes/kinds.ts";
import type { ApiDouble } from "../../../kubernetes/testing/api-double.ts";
import type { StoredObject } from "../../../kubernetes/testing/object-store.ts";
import { joinCommand } from "../../local/join-command.ts";
import type { Confinement, Limiter } from "../../local/limiter.ts";

export interface KubeletOptions {
  /** The only image there is: a program that Node.js runs. */
  readonly image: string;
  readonly program: string;
  readonly limiter: Limiter;
}

type Container = NonNullable<Pod["spec"]>["containers"][number];
type Status = NonNullable<Pod["status"]>;

const MIB = 2 ** 20;
const KEPT_LOG_CHARACTERS = 2_048;
const SIGNALS: Readonly<Record<string, number>> = { SIGKILL: 9, SIGTERM: 15 };

/**
 * Runs the pods of an API double as processes of this machine, each at a loopback address of its own, which Linux has
 * many of. Says in their status what a kubelet and a scheduler would say.
 */
export function startKubelet(double: ApiDouble, options: KubeletOptions): { close(): void } {
  const folder = mkdtempSync(join(tmpdir(), "remoe-kubelet-"));
  const running = new Map<string, ProcessPod>();
  const stop = double.store.onEvent(({ type, object }) => {
    const { uid = "" } = object.metadata;
    if (object.kind !== "Pod") return;
    if (type === "ADDED") running.set(uid, new ProcessPod(double, object, { ...options, folder }));
    else if (type === "DELETED") running.get(uid)?.kill();
    else if (object.metadata.deletionTimestamp !== undefined) running.get(uid)?.end(object);
  });
  return {
    close() {
      stop();
      for (const pod of running.values()) pod.kill();
      rmSync(folder, { recursive: true });
    },
  };
}

let addresses = 0;

/** `127.1.0.1` and on. */
function nextAddress(): string {
  addresses += 1;
  return `127.1.${addresses >> 8}.${addresses & 255}`;
}

class ProcessPod {
  readonly #double: ApiDouble;
  readonly #path: string;
  readonly #ip = nextAddress();
  readonly #terminationLog: string;
  #process: ChildProcess | null = null;
  #log = "";

  constructor(double: ApiDouble, object: StoredObject, options: KubeletOptions & { readonly folder: string }) {
    this.#double = double;
    this.#path = double.store.pathOf(object);
    this.#terminationLog = join(options.folder, object.metadata.uid ?? "");
    void this.#run(object as Pod, options);
  }

  end({ metadata }: StoredObject): void {
    if (this.#process === null) this.#double.store.remove(this.#path, { graceS: 0 });
    this.#process?.kill("SIGTERM");
    setTimeout(() => this.kill(), (metadata.deletionGracePeriodSeconds ?? 0) * 1000).unref();
  }

  kill(): void {
    this.#process?.kill("SIGKILL");
  }

  async #run(pod: Pod, { image, program, limiter }: KubeletOptions): Promise<void> {
    const container = pod.spec?.containers[0];
    if (container === undefined) return;
    this.#update({ phase: "Pending", conditions: [{ type: "PodScheduled", status: "True" }] }, { nodeName: "this" });
    if (container.image !== image) {
      const waiting = { reason: "ErrImageNeverPull", message: `there is no image ${container.image}` };
      return this.#update({ phase: "Pending", containerStatuses: [statusOf(container, { waiting })] });
    }
    const { memoryMb, vcpus } = specOf(container);
    const confinement = limiter.confine(pod.metadata?.uid ?? "", memoryMb);
    confinement.throttle(vcpus); // A pod's processors are limited from the start on.
    const child = this.#spawn(container, program, confinement);
    const startedAt = new Date().toISOString();
    this.#update({
      phase: "Running",
      podIP: this.#ip,
      containerStatuses: [statusOf(container, { running: { startedAt } })],
    });
    const [code, signal] = (await once(child, "close")) as [number | null, NodeJS.Signals | null];
    this.#finish(container, { code: code ?? 128 + (SIGNALS[signal ?? ""] ?? 0), oom: confinement.ranOutOfMemory() });
    await confinement.remove();
  }

  #spawn({ env = [] }: Container, program: string, { processLists }: Confinement): ChildProcess {
    const command = [process.execPath, program];
    const [file = "", ...rest] = joinCommand(processLists, { command, dataLimitMb: null });
    const variables = env.map(({ name, value, valueFrom }) => [name, value ?? this.#secret(valueFrom)] as const);
    const { REMOE_FUNCTION = "", ...others } = Object.fromEntries(variables);
    const start = REMOE_FUNCTION.replaceAll("0.0.0.0", this.#ip).replace("/dev/termination-log", this.#terminationLog);
    const child = spawn(file, rest, { env: { ...others, REMOE_FUNCTION: start }, stdio: ["ignore", "pipe", "pipe"] });
    for (const stream of [child.stdout, child.stderr]) {
      stream.on("data", (chunk: Buffer) => {
        this.#log = (this.#log + chunk.toString()).slice(-KEPT_LOG_CHARACTERS);
      });
    }
    this.#process = child;
    return child;
  }

  #secret(source: NonNullable<Container["env"]>[number]["valueFrom"]): string {
    const { name = "", key = "" } = source?.secretKeyRef ?? {};
    const folder = this.#path.replace(/\/pods\/.*/, "/secrets");
    const { data = {} } = (this.#double.store.get(`${folder}/${name}`) ?? {}) as Secret;
    return Buffer.from(data[key] ?? "", "base64").toString();
  }

  #finish(container: Container, { code, oom }: { readonly code: number; readonly oom: boolean }): void {
    const reason = oom ? "OOMKilled" : code === 0 ? "Completed" : "Error";
    const message = this.#lastMessage() ?? (code === 0 ? "" : this.#log);
    const state = { terminated: { exitCode: code, reason, message } };
    const phase = code === 0 ? "Succeeded" : "Failed";
    const object = this.#double.store.get(this.#path);
    if (object === null) return;
    this.#update({ phase, podIP: this.#ip, containerStatuses: [statusOf(container, state)] });
    if (object.metadata.deletionTimestamp !== undefined) this.#double.store.remove(this.#path, { graceS: 0 });
  }

  #lastMessage(): string | null {
    try {
      return readFileSync(this.#terminationLog, "utf8");
    } catch {
      return null;
    }
  }

  #update(status: Status, spec: object = {}): void {
    if (this.#double.store.get(this.#path) === null) return;
    this.#double.store.update(this.#path, (object) => ({
      ...object,
      spec: { ...(object.spec ?? {}), ...spec },
      status,
    }));
  }
}

/** What the limiter wants to know. */
function specOf({ resources }: Container) {
  const { memory = "0", cpu = "0" } = resources?.limits ?? {};
  return { memoryMb: Number(memory) / MIB, vcpus: Number.parseInt(cpu, 10) / 1000 };
}

function statusOf({ name, image }: Container, state: object) {
  const isRunning = "running" in state;
  return { name, image: image ?? "", imageID: "", ready: isRunning, restartCount: 0, state };
}
