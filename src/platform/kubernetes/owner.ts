/** For whom functions run. */
export type Owner =
  /** The gateway's own pod. */
  | { readonly type: "pod"; readonly name: string; readonly uid: string }
  /** A gateway outside of the cluster. A name is for one gateway at a time: what the one before left goes. */
  | { readonly type: "outside"; readonly name: string };

/** The pod that this process runs in, as the Downward API tells it; `null` outside of a cluster. */
export function ownPod({ REMOE_POD_NAME: name, REMOE_POD_UID: uid }: NodeJS.ProcessEnv): Owner | null {
  return name === undefined || uid === undefined ? null : { type: "pod", name, uid };
}
