import type { RoutingSample } from "../engine/generation.ts";
import type { DoneEvent, GenerateEvent } from "./protocol.ts";

/** Bytes in base64: the typed arrays of a sample as they lie in memory, which is little-endian wherever Node.js runs. */
type EncodedSample = Readonly<Record<keyof RoutingSample, string>>;

type EncodedDone = Omit<DoneEvent, "samples"> & {
  readonly samples: Readonly<Record<keyof DoneEvent["samples"], EncodedSample>>;
};

/** An event as the JSON of one line. */
export function encodeEvent(event: GenerateEvent): string {
  return JSON.stringify(event.type === "done" ? encodeDone(event) : event);
}

/** The event of a line that {@link encodeEvent} wrote. */
export function decodeEvent(line: string): GenerateEvent {
  const event = JSON.parse(line) as Exclude<GenerateEvent, DoneEvent> | EncodedDone;
  return event.type === "done" ? decodeDone(event) : event;
}

function encodeDone({ samples, ...event }: DoneEvent): EncodedDone {
  return { ...event, samples: { prefill: encodeSample(samples.prefill), decode: encodeSample(samples.decode) } };
}

function decodeDone({ samples, ...event }: EncodedDone): DoneEvent {
  return { ...event, samples: { prefill: decodeSample(samples.prefill), decode: decodeSample(samples.decode) } };
}

function encodeSample({ tokens, experts }: RoutingSample): EncodedSample {
  const encode = ({ buffer, byteOffset, byteLength }: ArrayBufferView): string =>
    Buffer.from(buffer, byteOffset, byteLength).toString("base64");
  return { tokens: encode(tokens), experts: encode(experts) };
}

function decodeSample({ tokens, experts }: EncodedSample): RoutingSample {
  // A copy: what Buffer.from gives may begin anywhere in a shared buffer.
  const decode = (text: string): ArrayBuffer => new Uint8Array(Buffer.from(text, "base64")).buffer;
  return { tokens: new Uint32Array(decode(tokens)), experts: new Uint16Array(decode(experts)) };
}
