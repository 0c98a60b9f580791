/**
 * Tests that need more than Deno: each is left out, with its reason in its name, where something is missing.
 *
 * `deno task test` collects these reasons at its end; `.ci/run` installs what is missing and runs them all.
 * @module
 */
import { delimiter, join } from "node:path";

/** What a test can need beyond Deno. */
export type Need =
  | "linux" // signals, /proc and file modes as Linux has them
  | "unix" // signals and file modes: Linux or macOS
  | "root" // the rights to make network namespaces and mounts
  | "namespaces" // root, `ip`, and a kernel that lets it make network namespaces
  | "executables" // MINI_CHAT_TEST_DIST names the folder of the compiled programs
  | { readonly command: string } // a program on PATH, such as `{ command: "python3" }`
  | { readonly because: string }; // a reason that the test itself has found, in words for people

/**
 * Says why a test cannot run here.
 *
 * @param needs Everything that the test needs.
 * @returns The first reason, for people, or undefined when nothing is missing.
 */
export function whyNot(...needs: readonly Need[]): string | undefined {
  for (const need of needs) {
    const reason = reasonAgainst(need);
    if (reason !== undefined) return reason;
  }
}

/**
 * Registers a test that is left out, and says why, where something that it needs is missing.
 *
 * @param needs What must be there.
 * @param name The behaviour that the test shows.
 * @param fn The test.
 */
export function testWith(
  needs: readonly Need[],
  name: string,
  fn: (context: Deno.TestContext) => void | Promise<void>,
): void {
  const reason = whyNot(...needs);
  if (reason === undefined) Deno.test(name, fn);
  else Deno.test({ name: `${name} [left out: ${reason}]`, ignore: true, fn });
}

function reasonAgainst(need: Need): string | undefined {
  if (typeof need === "object") {
    if ("because" in need) return need.because;
    return onPath(need.command) ? undefined : `needs the program ${need.command}`;
  }
  switch (need) {
    case "linux":
      return Deno.build.os === "linux" ? undefined : "needs Linux";
    case "unix":
      return Deno.build.os === "windows" ? "needs Linux or macOS" : undefined;
    case "root":
      return Deno.build.os !== "windows" && Deno.uid() === 0 ? undefined : "needs root";
    case "namespaces":
      return whyNot("linux", "root", { command: "ip" }, { command: "unshare" }) ??
        (canUnshare() ? undefined : "needs a kernel that lets root make network namespaces");
    case "executables":
      return Deno.env.has("MINI_CHAT_TEST_DIST")
        ? undefined
        : "needs the compiled programs: MINI_CHAT_TEST_DIST=dist";
  }
}

/** Whether a program of that name is in a folder of PATH. */
function onPath(command: string): boolean {
  const folders = (Deno.env.get("PATH") ?? "").split(delimiter).filter((folder) => folder !== "");
  const names = Deno.build.os === "windows" ? [`${command}.exe`, `${command}.cmd`] : [command];
  return folders.some((folder) => names.some((name) => isFile(join(folder, name))));
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

let unshareWorks: boolean | undefined; // asked once a process; unset until then

function canUnshare(): boolean {
  unshareWorks ??= new Deno.Command("unshare", {
    args: ["--net", "true"],
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).outputSync().success;
  return unshareWorks;
}
