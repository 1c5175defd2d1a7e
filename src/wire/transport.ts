import type { ExpertReply } from "./expert-call.ts";
import type { OutgoingCall } from "./pending-call.ts";

/** How calls get to a function, one by one; they fit its payload limit. */
export interface Transport {
  send(call: OutgoingCall): Promise<ExpertReply>;
  close(): void;
}
