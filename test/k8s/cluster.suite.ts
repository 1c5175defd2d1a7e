import { afterAll } from "vitest";
import { describeCluster } from "../../src/kubernetes/testing/cluster-contract.ts";
import { openTestCluster } from "../../src/kubernetes/testing/test-cluster.ts";

const { missing, open, close } = await openTestCluster("cluster");
afterAll(close);

describeCluster("a real cluster", open, { skipReason: missing });
