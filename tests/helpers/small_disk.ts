/**
 * A disk that a test can fill.
 * @module
 */
import { type Need, whyNot } from "./needs.ts";
import { tempFolder } from "./temp_folder.ts";

/** For `testWith`: the right to mount one. */
export const SMALL_DISK: readonly Need[] = canMount()
  ? []
  : [{ because: "needs root on Linux, and the right to mount a tmpfs" }];

/**
 * Mounts a disk of its own at a folder, until the end of the scope.
 *
 * @param bytes Its size.
 * @throws {Error} it is not permitted.
 */
export function mountSmallDisk(path: string, bytes: number): Disposable {
  if (!run("mount", "-t", "tmpfs", "-o", `size=${bytes}`, "tmpfs", path)) {
    throw new Error(`Cannot mount a disk at ${path}`);
  }
  return { [Symbol.dispose]: () => void run("umount", path) };
}

/** Mounts the disk at a folder anew, as `ro` or `rw`; whether that was permitted. */
export function remount(path: string, as: "ro" | "rw"): boolean {
  return run("mount", "-o", `remount,${as}`, path);
}

function canMount(): boolean {
  if (whyNot("linux", "root", { command: "mount" }) !== undefined) return false;
  using folder = tempFolder();
  try {
    using _disk = mountSmallDisk(folder.path, 65_536);
    return true;
  } catch {
    return false;
  }
}

function run(command: string, ...args: string[]): boolean {
  return new Deno.Command(command, { args, stdout: "null", stderr: "null" }).outputSync().success;
}
