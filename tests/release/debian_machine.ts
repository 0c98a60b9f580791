// A Debian of its own with a real systemd as its first process, in a container that forgets all when it ends.
import { join } from "node:path";
import type { Need } from "../helpers/needs.ts";
import { Program, type ProgramResult, runProgram } from "../helpers/program.ts";
import { waitUntil } from "../helpers/wait_until.ts";

const RELEASE = "bookworm";
const PACKAGES = "systemd,systemd-sysv,dbus";
const INSTALL_TIMEOUT_MS = 300_000;
const PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** What a machine needs here. */
export const MACHINE_NEEDS: readonly Need[] = [
  "linux",
  "root",
  "executables",
  { command: "debootstrap" },
  { command: "systemd-nspawn" },
  { command: "nsenter" },
];

/** A machine that has booted. Switched off, at the latest, when its scope ends. */
export class DebianMachine implements AsyncDisposable {
  readonly #container: Program;
  readonly #init: number; // process id, as this system counts them, of its first process
  readonly #group: string; // folder of its control group

  private constructor(container: Program, init: number, group: string) {
    this.#container = container;
    this.#init = init;
    this.#group = group;
  }

  /** @param folders Folders of this system, and where the machine has them, to read. */
  static async boot(folders: Readonly<Record<string, string>>): Promise<DebianMachine> {
    const tree = await fetchTree();
    // A group of its own, so that systemd can make more in it.
    const group = join(await groupsFolder(), `mini-chat-test-${crypto.randomUUID()}`);
    await runProgram("mkdir", [group]); // which Deno itself may do only with every permission
    const binds = Object.entries(folders).map(([from, to]) => `--bind-ro=${from}:${to}`);
    const container = new Program("sh", [
      "-c",
      `echo $$ >"$0/cgroup.procs" && exec "$@"`,
      group,
      "systemd-nspawn",
      "--quiet",
      "--boot",
      "--register=no",
      "--keep-unit",
      "--private-network",
      "--console=pipe",
      "--volatile=overlay",
      `--directory=${tree}`,
      ...binds,
    ], { name: "machine" });
    try {
      const init = await firstChild(container);
      const machine = new DebianMachine(container, init, group);
      await waitUntil("the machine is up", async () => {
        const { stdout } = await machine.run("systemctl", ["is-system-running"]);
        return /^(running|degraded)/.test(stdout);
      });
      return machine;
    } catch (error) {
      await container.kill();
      throw new Error(`Cannot boot a machine; it said:\n${container.transcript.slice(-2000)}`, {
        cause: error,
      });
    }
  }

  /** Runs a program in it as root, or as another user, to its end. */
  run(
    command: string,
    args: readonly string[],
    { input, env = {}, user = "root" }: {
      input?: string;
      env?: Readonly<Record<string, string>>;
      user?: string;
    } = {},
  ): Promise<ProgramResult> {
    const variables = Object.entries({
      PATH,
      HOME: "/root",
      LANG: "C.UTF-8",
      DEBIAN_FRONTEND: "noninteractive",
      ...env,
    });
    const as = user === "root" ? [] : ["runuser", "-u", user, "--"];
    return runProgram("nsenter", [
      `--target=${this.#init}`,
      "--all",
      "env",
      "-i",
      ...variables.map(([name, value]) => `${name}=${value}`),
      ...as,
      command,
      ...args,
    ], input === undefined ? {} : { input });
  }

  /** The same; what it printed. @throws {Error} It failed. */
  async must(
    command: string,
    args: readonly string[],
    options: Parameters<DebianMachine["run"]>[2] = {},
  ): Promise<string> {
    const { code, stdout, stderr } = await this.run(command, args, options);
    if (code !== 0) throw new Error(`${command} ${args.join(" ")} ended with ${code}:\n${stdout}\n${stderr}`);
    return stdout.trimEnd();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.run("systemctl", ["poweroff"]);
    await this.#container.waitForExit();
    await runProgram("find", [this.#group, "-depth", "-type", "d", "-exec", "rmdir", "{}", ";"]);
  }
}

/** The tree that machines boot from, made by debootstrap the first time, which takes a minute. */
async function fetchTree(): Promise<string> {
  const cache = Deno.env.get("XDG_CACHE_HOME") || join(Deno.env.get("HOME") ?? ".", ".cache");
  const tree = join(cache, "mini-chat-ci", `debian-${RELEASE}`);
  if (await Deno.stat(tree).then(() => true, () => false)) return tree;
  const unfinished = `${tree}.${crypto.randomUUID()}`;
  await Deno.mkdir(join(tree, ".."), { recursive: true });
  const args = ["--variant=minbase", `--include=${PACKAGES}`, RELEASE, unfinished];
  const { code, stdout } = await runProgram("debootstrap", args, { timeoutMs: INSTALL_TIMEOUT_MS });
  if (code !== 0) throw new Error(`debootstrap ended with ${code}:\n${stdout.slice(-2000)}`);
  await Deno.rename(unfinished, tree);
  return tree;
}

/** Where control groups of the second version are: mounted alone, or beside those of the first. */
async function groupsFolder(): Promise<string> {
  const { stdout } = await runProgram("findmnt", [
    "--list",
    "--noheadings",
    "--output=TARGET",
    "--types=cgroup2",
  ]);
  const [folder] = stdout.split("\n");
  if (!folder) throw new Error("Cannot boot a machine: no control groups of the second version are mounted");
  return folder;
}

async function firstChild(container: Program): Promise<number> {
  let child = "";
  await waitUntil("the machine's first process is there", async () => {
    const { stdout } = await runProgram("ps", ["-o", "pid=,comm=", "--ppid", String(container.pid)]);
    child = /^\s*(\d+) systemd$/m.exec(stdout)?.[1] ?? "";
    return child !== "" || container.hasEnded;
  });
  return Number(child);
}
