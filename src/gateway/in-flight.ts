import type { FastifyReply } from "fastify";
import { type RemoeError, remoeError } from "../core/errors.ts";
import { whenClosed } from "./when-closed.ts";

/** The answers that are being computed or sent. */
export interface InFlight {
  /** Aborted when the client goes away before its answer is complete, or by `abort`. */
  track(reply: FastifyReply): AbortSignal;
  abort(reason: RemoeError): void;
  /** Resolves when nothing is in flight, to true, or after the deadline, to false. */
  drained(deadlineMs: number): Promise<boolean>;
}

export function createInFlight(): InFlight {
  const controllers = new Set<AbortController>();
  const onIdle = new Set<() => void>();

  return {
    track({ raw }) {
      const controller = new AbortController();
      controllers.add(controller);
      whenClosed(raw, (complete) => {
        controllers.delete(controller);
        if (!complete) {
          controller.abort(remoeError("REQUEST_CANCELLED", {}));
        }
        if (controllers.size === 0) {
          for (const resolve of onIdle) {
            resolve();
          }
        }
      });
      return controller.signal;
    },
    abort(reason) {
      for (const controller of controllers) {
        controller.abort(reason);
      }
    },
    async drained(deadlineMs) {
      if (controllers.size === 0) {
        return true;
      }
      return await new Promise((resolve) => {
        const timer = setTimeout(() => resolve(false), deadlineMs);
        onIdle.add(() => {
          clearTimeout(timer);
          resolve(true);
        });
      });
    },
  };
}
