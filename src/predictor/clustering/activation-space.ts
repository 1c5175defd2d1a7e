import type { ActivationMatrix } from "../example.ts";
import type { TrainingSet } from "../training-set.ts";
import { indexOfLeast } from "./index-of-least.ts";
import type { Space } from "./space.ts";

/**
 * Examples at the Euclidean distance of their activation matrices. The medoid has the least sum of squared distances to
 * all members, hence is the one nearest to their mean.
 */
export function activationSpace(set: TrainingSet): Space {
  return {
    distance: (first, second) => Math.sqrt(squaredDistance(set.matrix(first), set.matrix(second))),
    medoid: (members) => {
      const mean = meanOf(set, members);
      return members[indexOfLeast(members.map((member) => squaredDistance(set.matrix(member), mean)))] as number;
    },
  };
}

function squaredDistance(first: ActivationMatrix, second: ActivationMatrix | Float64Array): number {
  let sum = 0;
  for (let i = 0; i < first.length; i++) sum += ((first[i] as number) - (second[i] as number)) ** 2;
  return sum;
}

function meanOf(set: TrainingSet, members: readonly number[]): Float64Array {
  const sum = new Float64Array(set.shape.layers * set.shape.experts);
  for (const member of members) {
    const matrix = set.matrix(member);
    for (let i = 0; i < sum.length; i++) sum[i] = (sum[i] as number) + (matrix[i] as number);
  }
  return sum.map((share) => share / members.length);
}
