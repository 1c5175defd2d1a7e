import { remoeError } from "../core/errors.ts";
import { type DecodedCall, shapeOf } from "./call-codec.ts";
import type { ExpertHandler } from "./expert-call.ts";
import { replyFrameBytes } from "./reply-codec.ts";

/**
 * Checks everything a handler relies on, since calls come from the network.
 * @throws EXPERT_CALL_INVALID, EXPERT_PAYLOAD_TOO_LARGE when the reply would be
 */
export function validateCall({ call, shape }: DecodedCall, handler: ExpertHandler, payloadLimit: number): void {
  const { hidden, expertsPerToken, maxTokens } = handler;
  const { tokens, rows } = shape;
  if (shape.hidden !== hidden)
    throw invalid(`its hidden states have ${shape.hidden} numbers, here they have ${hidden}`);
  if (tokens > maxTokens) throw invalid(`it has ${tokens} tokens, the limit is ${maxTokens}`);
  if (rows > tokens * expertsPerToken) {
    throw invalid(`it has ${rows} rows for ${tokens} tokens, the limit is ${expertsPerToken} per token`);
  }
  const strayToken = call.tokens.find((token) => token < 0 || token >= tokens);
  if (strayToken !== undefined) throw invalid(`a row names token ${strayToken} of ${tokens}`);
  const strayExpert = call.experts.find((expert) => !handler.holds(call.layer, expert));
  if (strayExpert !== undefined) throw invalid(`expert ${strayExpert} of layer ${call.layer} is not held here`);
  const replyBytes = replyFrameBytes(shapeOf(call, hidden, shape.rowType));
  if (replyBytes > payloadLimit) {
    throw remoeError("EXPERT_PAYLOAD_TOO_LARGE", { bytes: replyBytes, limitBytes: payloadLimit });
  }
}

function invalid(problem: string): Error {
  return remoeError("EXPERT_CALL_INVALID", { problem });
}
