import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { Controller, OwnCgroup } from "./find-cgroup.ts";

/** The kernel takes a moment to let go of a process that has ended. */
const REMOVE_ATTEMPTS = 100;
const REMOVE_PAUSE_MS = 10;

/** A control group, for one of its controllers. */
export class Cgroup {
  readonly controller: Controller;
  readonly version: 1 | 2;
  readonly path: string;

  constructor(controller: Controller, { version, path }: OwnCgroup) {
    this.controller = controller;
    this.version = version;
    this.path = path;
  }

  /** The file into which a process writes its id to enter. */
  get processList(): string {
    return join(this.path, "cgroup.procs");
  }

  /** Makes a group below this one; in version 2 another controller may have made the same before. */
  createChild(name: string): Cgroup {
    const path = join(this.path, name);
    mkdirSync(path, { recursive: true });
    return new Cgroup(this.controller, { version: this.version, path });
  }

  /**
   * Lets groups below this one use the controller, which version 2 wants to be told.
   * @throws where the controller is not there, or processes are in this group itself
   */
  delegate(): void {
    if (this.version === 1 || this.read("cgroup.subtree_control")?.split(/\s/).includes(this.controller)) return;
    this.write("cgroup.subtree_control", `+${this.controller}`);
  }

  /** @returns `null` where this kernel has no such file */
  read(file: string): string | null {
    try {
      return readFileSync(join(this.path, file), "utf8");
    } catch {
      return null;
    }
  }

  write(file: string, value: string | number): void {
    writeFileSync(join(this.path, file), String(value));
  }

  async remove(): Promise<void> {
    for (let attempt = 0; attempt < REMOVE_ATTEMPTS; attempt++) {
      try {
        return rmdirSync(this.path);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "EBUSY") return;
      }
      await delay(REMOVE_PAUSE_MS);
    }
  }
}
