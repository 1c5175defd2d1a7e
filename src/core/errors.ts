/**
 * Every error Remoe raises on purpose, in one table.
 *
 * An entry says what happened (`message`, with the offending values in braces), what to do about it (`hint`), and
 * how it leaves the system: process exit code, HTTP status and OpenAI error type. `docs/errors.md` is generated from
 * this table, and a test counts it.
 *
 * Exit codes: 0 ok, 1 failure, 2 usage or configuration, 3 not found, 4 infeasible, 5 remote or overloaded,
 * 6 timeout or not ready, 130 interrupted.
 */

type OpenAiErrorType =
  | "invalid_request_error"
  | "authentication_error"
  | "not_found_error"
  | "rate_limit_error"
  | "server_error"
  | "unavailable_error";

interface CatalogueEntry {
  readonly message: string;
  readonly hint: string;
  readonly exitCode: number;
  readonly httpStatus: number;
  readonly openAiType: OpenAiErrorType;
  /** OpenAI's own `code` where clients know one, else the Remoe code is sent. */
  readonly openAiCode?: string;
  readonly retryable?: boolean;
}

const badInput = { exitCode: 2, httpStatus: 400, openAiType: "invalid_request_error" } as const;
const badModel = { exitCode: 1, httpStatus: 422, openAiType: "invalid_request_error" } as const;
const broken = { exitCode: 1, httpStatus: 500, openAiType: "server_error" } as const;

export const ERRORS = {
  // Command line and configuration
  USAGE_INVALID: { ...badInput, message: "{problem}", hint: "Run `{command} --help` for what it accepts." },

  OUTPUT_UNWRITABLE: {
    ...badInput,
    message: "cannot write to '{path}': {reason}",
    hint: "Check the free space of the disk and that this user may write there. A result that no file takes is printed as JSON.",
  },

  // Model files
  MODEL_NOT_FOUND: {
    exitCode: 3,
    httpStatus: 404,
    openAiType: "not_found_error",
    message: "no model file at '{path}'",
    hint: "Give the path or URL of a .gguf file; without --model the bundled tiny-moe is used.",
  },
  MODEL_URL_INVALID: {
    ...badInput,
    message: "the model's URL '{url}' {problem}",
    hint: "Give the http or https address of a .gguf file; a private one's token belongs in REMOE_MODEL_TOKEN.",
  },
  MODEL_ACCESS_DENIED: {
    ...badInput,
    message: "'{path}' may not be read from here: the server answers with HTTP status {status}",
    hint: "Set REMOE_MODEL_TOKEN to a token that may read it; a signed URL may have expired: get a new one.",
  },
  MODEL_RANGES_UNSUPPORTED: {
    ...badInput,
    message: "'{path}' cannot be read in parts: its server does not answer range requests as RFC 9110 has them",
    hint: "Serve it from an object store, a model hub or a web server with range requests, or give a path.",
  },
  MODEL_DOWNLOAD_FAILED: {
    ...broken,
    exitCode: 5,
    httpStatus: 502,
    message: "'{path}' cannot be downloaded: {reason} (attempt {attempts})",
    hint: "Check the address, and that this machine or pod reaches the server; then try again.",
    retryable: true,
  },
  MODEL_CHANGED: {
    ...badModel,
    message: "'{path}' has changed since its header was read: it was {before}, now it is {now}",
    hint: "Restart with the new file, or give every version of a model a URL of its own.",
  },
  MODEL_UNREADABLE: {
    ...badInput,
    message: "cannot read the model file '{path}': {reason}",
    hint: "Give the path of a regular file that this user may read.",
  },
  MODEL_UNWRITABLE: {
    ...badInput,
    message: "cannot write the model file '{path}': {reason}",
    hint: "Check that the folder exists, that this user may write to it, and the free space of the disk.",
  },
  MODEL_FILE_INVALID: {
    ...badModel,
    message: "'{path}' {problem}",
    hint: "Give a little-endian GGUF file of version 2 or 3; if it is one, it is damaged: fetch or convert it again.",
  },
  MODEL_FILE_TRUNCATED: {
    ...badModel,
    message: "'{path}' is cut short: it has {size} bytes, its {part} needs at least {needed}",
    hint: "The download or copy is incomplete; fetch the file again.",
  },
  MODEL_LIMIT_EXCEEDED: {
    ...badModel,
    message: "'{path}': {limit} is {value}, over the maximum of {maximum}",
    hint: "No real model comes near this limit: the file is damaged or malicious; fetch or convert it again.",
  },
  MODEL_ARCHITECTURE_UNSUPPORTED: {
    ...badModel,
    message: "'{path}' has the architecture '{architecture}', which Remoe does not run",
    hint: "Supported architectures: {supported}.",
  },
  MODEL_HAS_NO_EXPERTS: {
    ...badModel,
    message: "'{path}' is a model without experts, which Remoe has nothing to split of",
    hint: "Run it with llama.cpp, or choose a mixture-of-experts model such as Mixtral.",
  },
  MODEL_METADATA_INVALID: {
    ...badModel,
    message: "'{path}': metadata key '{key}' {problem}",
    hint: "The file is damaged or was written by an unsupported converter; fetch or convert it again.",
  },
  MODEL_TENSOR_INVALID: {
    ...badModel,
    message: "'{path}': tensor '{tensor}' {problem}",
    hint: "The file is damaged or was written by an unsupported converter; fetch or convert it again.",
  },
  MODEL_PART_INVALID: {
    ...badModel,
    message: "'{path}', part {part} of {count} of a split model, {problem}",
    hint: "Keep all parts in one folder under their own names; fetch those that are missing or damaged again.",
  },
  MODEL_TYPE_UNSUPPORTED: {
    ...badModel,
    message: "'{path}': tensor '{tensor}' has the type {type}, which the engine cannot compute with",
    hint: "Convert the tensor to one of these types: {supported}.",
  },
  MODEL_SHAPE_UNFIT: {
    ...badInput,
    message:
      "the shape '{shape}' has rows of {columns} elements, which {quant} cannot store in blocks of {blockElements}",
    hint: "Choose F32, F16, Q8_0 or Q4_0 for this shape.",
  },
  TENSOR_SHAPE_INVALID: {
    ...broken,
    message: "a row of {elements} elements does not fill whole {type} blocks of {blockElements} elements",
    hint: "This is a bug; please report it.",
  },
  EXPERT_UNKNOWN: {
    ...broken,
    message: "tensor '{tensor}' of shape [{shape}] has no expert {expert}",
    hint: "This is a bug; please report it.",
  },

  // Native libraries
  NATIVE_PLATFORM_UNSUPPORTED: {
    ...broken,
    message: "no prebuilt ggml library for {platform} is installed",
    hint: "Run `npm install` without --omit=optional on a supported platform: {supported}.",
  },
  NATIVE_ABI_MISMATCH: {
    ...broken,
    message: "the ggml library in '{directory}' does not match this binding: {what} is {actual}, expected {expected}",
    hint: "Run `npm install` again: it installs exactly the native package version that package.json pins.",
  },
  NATIVE_PROBE_FAILED: {
    ...broken,
    message: "the ggml library in '{directory}' cannot run here: {reason}",
    hint: "Run `remoe doctor`; the processor or a system library may be too old for the prebuilt library.",
  },
  NATIVE_CALL_FAILED: {
    ...broken,
    message: "{call} failed: {reason}",
    hint: "This is a bug or the machine ran out of memory; run `remoe doctor` and report it with the output.",
  },
  DEVICE_UNKNOWN: {
    ...badInput,
    message: "there is no compute device '{device}'",
    hint: "Devices of this installation: {available}.",
  },

  // Engine
  CONTEXT_LENGTH_EXCEEDED: {
    ...badInput,
    openAiCode: "context_length_exceeded",
    message: "the prompt has {promptTokens} tokens, more than the context of {contextLength} tokens can hold",
    hint: "Shorten the prompt, or start Remoe with a larger --context if the model allows it.",
  },
  CONTEXT_TOO_LONG: {
    ...badInput,
    message: "--context {contextLength} is more than the {trained} tokens the model was trained on",
    hint: "Leave --context away, or give a smaller one.",
  },
  NUMERICS_NEED_ALL_EXPERTS: {
    ...badInput,
    message: "exact numerics need every expert in the main function",
    hint: "Use `--placement local` with `--numerics exact`, or leave --numerics at its default.",
  },
  PARALLEL_UNSUPPORTED: {
    ...badInput,
    message: "{what} computes one request at a time, and {parallel} in parallel were asked for",
    hint: "Leave out --parallel, or use the default numerics on the processor.",
  },
  NUMERICS_NEED_PROCESSOR: {
    ...badInput,
    message: "exact numerics are the processor's; '{device}' rounds in its own way",
    hint: "Leave --device or --numerics at its default.",
  },
  PROMPT_EMPTY: {
    ...badInput,
    message: "the prompt has no tokens",
    hint: "Send at least one character of text.",
  },
  SAMPLING_INVALID: {
    ...badInput,
    message: "{field} is {value}, allowed is {allowed}",
    hint: "Change {field} in the request, or leave it out for the default.",
  },
  LOGITS_INVALID: {
    ...broken,
    message: "the model computed logits no token can be chosen from: {problem}",
    hint: "The weights are damaged or overflow on this device: fetch the model file again, then run `remoe doctor`.",
  },
  RESOURCE_DISPOSED: {
    ...broken,
    message: "{resource} was used after it was disposed",
    hint: "This is a bug; please report it.",
  },

  // Chat
  CHAT_TEMPLATE_MISSING: {
    ...badInput,
    message: "the model has no chat template, so it cannot answer chat messages",
    hint: "Send the prompt as text to /v1/completions, or serve a model trained for chat.",
  },
  CHAT_TEMPLATE_INVALID: {
    ...badModel,
    message: "the model's chat template cannot be read: {reason}",
    hint: "The template is part of the model file; fetch or convert the model again.",
  },
  CHAT_TEMPLATE_FAILED: {
    ...badInput,
    message: "the model's chat template refused the messages: {reason}",
    hint: "Change the messages as the model wants them, or send the prompt as text to /v1/completions.",
  },
  CHAT_CONTENT_UNSUPPORTED: {
    ...badInput,
    message: "message {index} has content of type '{type}', but the model reads text only",
    hint: "Send content as a string or as parts of type 'text'.",
  },

  // Functions and platform
  FUNCTION_START_FAILED: {
    ...broken,
    exitCode: 5,
    httpStatus: 502,
    message: "the {role} function did not start: {reason}",
    hint: "Run `remoe doctor`, and with --log-level debug to see the function's own output.",
    retryable: true,
  },
  FUNCTION_VERSION_UNSUPPORTED: {
    ...broken,
    exitCode: 5,
    httpStatus: 502,
    message: "the function {function} speaks version {theirs} of Remoe's protocol, this gateway speaks {ours}",
    hint: "Run functions and gateway from one image: give each build a tag of its own, or have nodes fetch it anew.",
  },
  FUNCTION_FAILED: {
    ...broken,
    exitCode: 5,
    message: "the function failed: {reason}",
    hint: "This is a bug; please report it with the output of `remoe doctor`.",
  },
  FUNCTION_LOST: {
    ...broken,
    exitCode: 5,
    httpStatus: 502,
    message: "the {role} function went away: {reason}",
    hint: "The request can be sent again.",
    retryable: true,
  },
  FUNCTION_OUT_OF_MEMORY: {
    ...broken,
    exitCode: 5,
    httpStatus: 502,
    message: "the function {function} ran out of memory: its limit is {limitMb} MiB, it had used {peakMb} MiB",
    hint: "Give it more memory, or fewer experts.",
    retryable: true,
  },
  FUNCTION_MEMORY_TOO_SMALL: {
    ...badInput,
    exitCode: 4,
    message:
      "the function {function} needs {neededMb} MiB ({weightsMb} MiB of them weights), its limit is {limitMb} MiB",
    hint: "Give it more memory, or fewer experts.",
  },
  CONTAINER_ENGINE_UNAVAILABLE: {
    ...broken,
    exitCode: 5,
    message: "no container engine answers: {reason}",
    hint: "Start Docker, check that this user may use it, or run functions as local processes.",
  },
  CONTAINER_IMAGE_FAILED: {
    ...broken,
    exitCode: 5,
    message: "the container image cannot be built: {reason}",
    hint: "Check the free space of the container engine's disk and that Remoe's installation is complete.",
  },

  // Kubernetes
  KUBERNETES_CLIENT_MISSING: {
    ...broken,
    message: "the package @kubernetes/client-node cannot be loaded: {reason}",
    hint: "Run `npm install` without --omit=optional.",
  },
  KUBERNETES_CONFIG_MISSING: {
    ...badInput,
    message: "no Kubernetes cluster is configured: there is no kubeconfig, and this is no pod",
    hint: "Set KUBECONFIG or give --kubeconfig.",
  },
  KUBERNETES_CONFIG_INVALID: {
    ...badInput,
    message: "the access to a Kubernetes cluster is not configured: {reason}",
    hint: "Check --kubeconfig and --context, or the files that KUBECONFIG names.",
  },
  KUBERNETES_SETTINGS_INVALID: {
    ...badInput,
    message: "the Kubernetes settings '{path}' cannot be used: {problem}",
    hint: "See docs/guide/kubernetes.md for the fields of the settings.",
  },
  KUBERNETES_UNREACHABLE: {
    ...broken,
    exitCode: 5,
    httpStatus: 502,
    message: "the Kubernetes API at {server} cannot be reached: {reason}",
    hint: "Check the address in the kubeconfig, the network and the login; a starting API answers within a minute.",
    retryable: true,
  },
  KUBERNETES_REFUSED: {
    ...broken,
    exitCode: 5,
    httpStatus: 502,
    message: "the Kubernetes API answered {status} to {verb} {resource}: {reason}",
    hint: "403 names a right that the Role lacks or a quota that is used up, 409 an object of the same name, 422 a field.",
  },
  KUBERNETES_KIND_UNKNOWN: {
    ...broken,
    exitCode: 3,
    message: "the cluster at {server} has no objects of kind {kind} ({apiVersion})",
    hint: "Install what defines them, such as Knative, or use a newer cluster.",
  },

  // Deployments on Kubernetes
  DEPLOY_INVALID: {
    ...badInput,
    message: "'{name}' cannot be deployed: {problem}",
    hint: "See `remoe deploy k8s --help`.",
  },
  DEPLOY_UNWRITABLE: {
    ...badInput,
    message: "cannot write manifests to '{path}': {reason}",
    hint: "Give a folder that this user may write to.",
  },
  DEPLOY_NOT_FOUND: {
    ...badInput,
    exitCode: 3,
    message: "there is no deployment '{name}' in the namespace '{namespace}'",
    hint: "Check name, --namespace and --context, or deploy it with `remoe deploy k8s`.",
  },
  DEPLOY_CONFLICT: {
    ...broken,
    exitCode: 5,
    message: "others manage fields of the deployment '{name}': {conflicts}",
    hint: "Nothing was changed. Leave these fields to the others, or take them with --force-conflicts.",
  },
  DEPLOY_CONCURRENT: {
    ...broken,
    exitCode: 5,
    message: "somebody else deploys '{name}': revision {revision} was recorded a moment ago",
    hint: "Nothing was changed. See `remoe status`, then deploy again.",
    retryable: true,
  },
  DEPLOY_NOT_READY: {
    ...broken,
    exitCode: 5,
    message: "the deployment '{name}' is not ready: {reason}",
    hint: "See `remoe status` and `remoe logs`; `remoe rollback` goes back to the revision before.",
  },
  DEPLOY_NOT_GONE: {
    ...broken,
    exitCode: 5,
    message: "the deployment '{name}' is not gone in time: {objects}",
    hint: "Its pods may still end running requests; `remoe undeploy` can be called again.",
    retryable: true,
  },
  DEPLOY_REVISION_UNKNOWN: {
    ...badInput,
    exitCode: 3,
    message: "the deployment '{name}' has no revision {revision}",
    hint: "Revisions that are kept: {kept}.",
  },
  DEPLOY_REVISION_DAMAGED: {
    ...broken,
    message: "the record of a revision, ConfigMap {object}, cannot be read: {reason}",
    hint: "Delete this ConfigMap; it is a record only, nothing runs from it.",
  },

  // Calls to expert functions
  ENDPOINT_INVALID: {
    ...badInput,
    message: "'{endpoint}' is no endpoint: {problem}",
    hint: "Use unix:/path, tcp://host:port, tls://host:port, http://host:port, https://host:port or http+unix:/path.",
  },
  EXPERT_LISTEN_FAILED: {
    ...broken,
    message: "cannot serve experts at {endpoint}: {reason}",
    hint: "Choose another path or port; port 0 takes any free one.",
  },
  EXPERT_CALL_INVALID: {
    ...badInput,
    message: "an expert call cannot be computed here: {problem}",
    hint: "Main and expert functions must come from the same plan and model; start them again.",
  },
  EXPERT_CALL_TIMEOUT: {
    ...broken,
    exitCode: 6,
    httpStatus: 504,
    message: "{endpoint} did not answer an expert call within {deadlineMs} ms",
    hint: "The function is overloaded, throttled or hung; give it more memory (and with it processor time).",
    retryable: true,
  },
  EXPERT_CONNECTION_LOST: {
    ...broken,
    exitCode: 5,
    httpStatus: 502,
    message: "the connection to {endpoint} broke: {reason}",
    hint: "The request can be sent again.",
    retryable: true,
  },
  EXPERT_PEER_REJECTED: {
    ...broken,
    exitCode: 5,
    httpStatus: 502,
    message: "{endpoint} is not the expected expert function: {reason}",
    hint: "Start gateway and functions with the same secret, model file and version of Remoe.",
  },
  EXPERT_FRAME_INVALID: {
    ...broken,
    exitCode: 5,
    httpStatus: 502,
    message: "a frame of the expert protocol is damaged: {problem}",
    hint: "Start gateway and functions from the same version of Remoe; a damaged network shows with checksums on.",
  },
  EXPERT_PAYLOAD_TOO_LARGE: {
    ...broken,
    exitCode: 5,
    httpStatus: 413,
    message: "an expert call of {bytes} bytes is over the limit of {limitBytes} bytes",
    hint: "Raise the payload limit if the platform allows it.",
  },
  EXPERTS_UNAVAILABLE: {
    ...broken,
    exitCode: 5,
    httpStatus: 502,
    message: "experts of layer {layer} could be computed neither by {function} nor in the main function: {reason}",
    hint: "The request can be sent again; more memory for the main function lets it stand in for lost functions.",
    retryable: true,
  },
  EXPERT_MEMORY_TOO_SMALL: {
    ...broken,
    exitCode: 5,
    httpStatus: 502,
    message: "an expert of layer {layer} takes {neededMb} MiB, more than the {limitMb} MiB there are to take it over",
    hint: "More memory for the main function lets it stand in for lost functions.",
  },

  // History and prediction
  PROMPTS_INVALID: {
    ...badInput,
    message: "the prompts '{path}' cannot be used: {problem}",
    hint: "Give a file with one JSON object a line, each with a text `prompt` and, if known, `id` and `domain`.",
  },
  HISTORY_UNREADABLE: {
    ...badInput,
    message: "cannot read the history '{path}': {reason}",
    hint: "Give a file written by `remoe trace` or a gateway with --history.",
  },
  HISTORY_UNWRITABLE: {
    ...badInput,
    message: "cannot write the history '{path}': {reason}",
    hint: "Check that the folder exists, that this user may write to it, and the free space of the disk.",
  },
  HISTORY_INVALID: {
    ...badInput,
    message: "the history '{path}' cannot be used: {problem}",
    hint: "It is damaged, or no history: record it again with `remoe trace`.",
  },
  HISTORY_FOREIGN: {
    ...badInput,
    message: "the history '{path}' belongs to another model: its {what} is {actual}, here it is {expected}",
    hint: "A history serves the model it was recorded with; record one for this model with `remoe trace`.",
  },

  // Plans and prices
  PLAN_INVALID: {
    ...badInput,
    message: "the plan '{path}' cannot be used: {problem}",
    hint: "Correct the file, or leave --plan away.",
  },
  PLAN_INFEASIBLE: {
    exitCode: 4,
    httpStatus: 409,
    openAiType: "invalid_request_error",
    message: "no plan keeps {objective} within {limit}: at best it is {best}",
    hint: "Set a looser objective, or let functions have more memory (and with it processors) or a device.",
  },
  PRICE_BOOK_UNKNOWN: {
    ...badInput,
    exitCode: 3,
    message: "there is no price book '{name}'",
    hint: "Known: {known}; or give the path of a JSON file.",
  },
  PRICE_BOOK_INVALID: {
    ...badInput,
    message: "the price book '{path}' cannot be used: {problem}",
    hint: "See docs/guide/pricing.md for the fields of a price book.",
  },
  PROFILE_INVALID: {
    ...badInput,
    message: "the profile '{path}' cannot be used: {problem}",
    hint: "Measure one with `remoe profile --out <file>`.",
  },
  PROFILE_FOREIGN: {
    ...badInput,
    message: "the profile '{path}' belongs to another model: '{actual}', here it is '{expected}'",
    hint: "Measure one for this model with `remoe profile --model <file> --out <file>`.",
  },
  PROFILE_FIT_FAILED: {
    ...broken,
    message: "no curve fits {curve}: {reason}",
    hint: "Measure again on a quiet machine, without --quick; a function that gets no faster with memory has no such curve.",
  },
  REQUEST_CANCELLED: {
    exitCode: 130,
    httpStatus: 499,
    openAiType: "server_error",
    message: "the request was cancelled",
    hint: "Nothing to do.",
  },

  // Gateway
  REQUEST_INVALID: {
    ...badInput,
    message: "'{param}' {problem}",
    hint: "Correct it and send the request again.",
  },
  REQUEST_UNSUPPORTED: {
    ...badInput,
    openAiCode: "unsupported_parameter",
    message: "'{param}' {problem}",
    hint: "Leave '{param}' out.",
  },
  BODY_INVALID: {
    ...badInput,
    openAiCode: "invalid_json",
    message: "the request body cannot be read: {reason}",
    hint: "Send one JSON object in UTF-8.",
  },
  BODY_TOO_LARGE: {
    ...badInput,
    httpStatus: 413,
    message: "the request body has more than {limitBytes} bytes",
    hint: "Send a shorter prompt, or start the gateway with a larger body limit.",
  },
  CONTENT_TYPE_UNSUPPORTED: {
    ...badInput,
    httpStatus: 415,
    message: "the content type '{contentType}' is not supported",
    hint: "Send JSON with the header 'content-type: application/json'.",
  },
  ROUTE_NOT_FOUND: {
    ...badInput,
    httpStatus: 404,
    openAiType: "not_found_error",
    openAiCode: "unknown_url",
    message: "there is no {method} {path}",
    hint: "The API is under /v1: chat/completions, completions, models.",
  },
  METHOD_NOT_ALLOWED: {
    ...badInput,
    httpStatus: 405,
    openAiCode: "method_not_allowed",
    message: "{path} does not answer {method}",
    hint: "Use {allowed}.",
  },
  MODEL_NOT_SERVED: {
    ...badInput,
    exitCode: 3,
    httpStatus: 404,
    openAiType: "not_found_error",
    openAiCode: "model_not_found",
    message: "the model '{model}' is not served here",
    hint: "Served: {served}.",
  },
  API_KEY_INVALID: {
    ...badInput,
    httpStatus: 401,
    openAiType: "authentication_error",
    openAiCode: "invalid_api_key",
    message: "the API key is missing or wrong",
    hint: "Send the header 'Authorization: Bearer KEY'.",
  },
  HOST_NOT_ALLOWED: {
    ...badInput,
    httpStatus: 403,
    message: "the Host header '{host}' does not name this machine",
    hint: "Use localhost or 127.0.0.1, or start the gateway with an API key, which lifts this check.",
  },
  LISTEN_UNPROTECTED: {
    ...badInput,
    message: "'{host}' can be reached from other machines and no API key is set",
    hint: "Set an API key, listen on 127.0.0.1, or allow unprotected access explicitly.",
  },
  LISTEN_FAILED: {
    ...broken,
    message: "cannot listen on {host}, port {port}: {reason}",
    hint: "Choose another address (--host) or port (--port); port 0 takes any free one.",
  },
  OVERLOADED: {
    ...broken,
    exitCode: 5,
    httpStatus: 429,
    openAiType: "rate_limit_error",
    openAiCode: "overloaded",
    message: "{waiting} requests are waiting, which is the limit",
    hint: "Try again in {retryAfterS} s.",
    retryable: true,
  },
  SHUTTING_DOWN: {
    ...broken,
    exitCode: 5,
    httpStatus: 503,
    openAiType: "unavailable_error",
    message: "the gateway is shutting down",
    hint: "Send the request to another instance, or again in {retryAfterS} s.",
    retryable: true,
  },
  INTERNAL: {
    ...broken,
    message: "an unexpected error happened",
    hint: "This is a bug; please report it with the request id and the gateway's log.",
  },
} as const satisfies Record<string, CatalogueEntry>;

export type ErrorCode = keyof typeof ERRORS;

type Placeholders<Text extends string> = Text extends `${string}{${infer Name}}${infer Rest}`
  ? Name | Placeholders<Rest>
  : never;

/** The values an error needs: one for each `{name}` in its message and hint. */
export type ErrorDetails<Code extends ErrorCode> = Readonly<
  Record<Placeholders<(typeof ERRORS)[Code]["message"] | (typeof ERRORS)[Code]["hint"]>, string | number>
>;

type AnyDetails = Readonly<Record<string, string | number>>;

const BRAND = Symbol.for("remoe.error");

/** An error of the catalogue. `toJSON()` is what crosses process and HTTP boundaries; {@link reviveError} reads it. */
export class RemoeError extends Error {
  override readonly name = "RemoeError";
  readonly code: ErrorCode;
  readonly details: AnyDetails;
  readonly hint: string;
  readonly [BRAND] = true;

  constructor(code: ErrorCode, details: AnyDetails, cause?: unknown) {
    super(fill(ERRORS[code].message, details), cause === undefined ? undefined : { cause });
    this.code = code;
    this.details = details;
    this.hint = fill(ERRORS[code].hint, details);
  }

  /** Stable public code, e.g. `REMOE_ERR_MODEL_NOT_FOUND`. */
  get publicCode(): string {
    return `REMOE_ERR_${this.code}`;
  }

  get entry(): CatalogueEntry {
    return ERRORS[this.code];
  }

  toJSON(): SerialisedError {
    return { code: this.code, message: this.message, hint: this.hint, details: this.details };
  }
}

export interface SerialisedError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint: string;
  readonly details: AnyDetails;
}

/** Makes an error of the catalogue; the compiler asks for exactly the values its text names. */
export function remoeError<Code extends ErrorCode>(
  code: Code,
  details: ErrorDetails<Code>,
  cause?: unknown,
): RemoeError {
  return new RemoeError(code, details as AnyDetails, cause);
}

/** True also for errors made by another copy of this package in the same process. */
export function isRemoeError(value: unknown): value is RemoeError {
  return typeof value === "object" && value !== null && (value as { [BRAND]?: unknown })[BRAND] === true;
}

/** Rebuilds an error that crossed a process or HTTP boundary as JSON. */
export function reviveError(json: SerialisedError): RemoeError {
  return new RemoeError(json.code, json.details);
}

function fill(template: string, details: AnyDetails): string {
  return template.replace(/\{(\w+)\}/g, (placeholder, name: string) => String(details[name] ?? placeholder));
}
