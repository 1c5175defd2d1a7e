import { describe, expect, it } from "vitest";
import { findCgroup } from "./find-cgroup.ts";

const VERSION_2 = "35 24 0:30 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate";
const MEMORY_1 = "38 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:4 - cgroup cgroup rw,memory";
const CPU_1 = "37 31 0:31 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct";
const HYBRID_2 = "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw";
const DISK = "24 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw";

function find(mounts: readonly string[], membership: readonly string[]) {
  const facts = { mountinfo: mounts.join("\n"), membership: membership.join("\n") };
  return { memory: findCgroup("memory", facts), cpu: findCgroup("cpu", facts) };
}

describe("the caller's control group", () => {
  it("is one for all controllers in version 2", () => {
    const own = { version: 2, path: "/sys/fs/cgroup/user.slice/session-1.scope" };
    expect(find([DISK, VERSION_2], ["0::/user.slice/session-1.scope", ""])).toEqual({ memory: own, cpu: own });
  });

  it("is one for each controller in version 1", () => {
    const membership = ["5:memory:/jobs/7", "4:cpu,cpuacct:/", "1:name=systemd:/x"];
    expect(find([DISK, CPU_1, MEMORY_1], membership)).toEqual({
      memory: { version: 1, path: "/sys/fs/cgroup/memory/jobs/7" },
      cpu: { version: 1, path: "/sys/fs/cgroup/cpu,cpuacct" },
    });
  });

  it("is that of version 1 where both are mounted and version 1 has the controller", () => {
    const membership = ["5:memory:/a", "0::/b"];
    expect(find([MEMORY_1, HYBRID_2], membership)).toEqual({
      memory: { version: 1, path: "/sys/fs/cgroup/memory/a" },
      cpu: { version: 2, path: "/sys/fs/cgroup/unified/b" },
    });
  });

  it("is found in a container that sees its own part of the hierarchy", () => {
    const mounted = MEMORY_1.replace(" / /sys", " /docker/c0ffee /sys");
    expect(find([mounted], ["5:memory:/docker/c0ffee/inner"]).memory?.path).toBe("/sys/fs/cgroup/memory/inner");
    expect(find([VERSION_2], ["0::/"]).memory?.path).toBe("/sys/fs/cgroup");
  });

  it("is found below a folder with blanks in its name", () => {
    const mounted = VERSION_2.replace("/sys/fs/cgroup", "/my\\040groups");
    expect(find([mounted], ["0::/a b"]).cpu?.path).toBe("/my groups/a b");
  });

  it("keeps colons in its name", () => {
    expect(find([VERSION_2], ["0::/pod:1:2"]).cpu?.path).toBe("/sys/fs/cgroup/pod:1:2");
  });

  it.each([
    ["nothing is mounted", [DISK], ["0::/a"]],
    ["the system tells nothing", [], []],
    ["it is outside of what is mounted", [MEMORY_1.replace(" / /sys", " /docker/a /sys")], ["5:memory:/docker/b"]],
    ["it is outside of the container", [VERSION_2], ["0::/../sibling"]],
    ["version 1 has the controller, but it is not mounted", [HYBRID_2], ["5:memory:/a", "4:cpu:/a", "0::/a"]],
  ])("is not known where %s", (_, mounts, membership) => {
    expect(find(mounts, membership)).toEqual({ memory: null, cpu: null });
  });
});
