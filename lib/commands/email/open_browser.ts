/**
 * Opening a link in the person's browser, by the means of each system.
 * @module
 */

/** A launcher that runs this long has opened something: some stay until the browser is closed, milliseconds. */
const LAUNCH_WITHIN_MS = 1_000;

/** What is known of where the program runs; the entry file reads it from the environment. */
export interface BrowserSurroundings {
  readonly isRemote: boolean; // whether the person sits at another machine (`SSH_CONNECTION` or `SSH_TTY` is set)
  /** Whether there is a graphical screen on Linux (`DISPLAY` or `WAYLAND_DISPLAY` is set). */
  readonly hasDisplay: boolean;
}

/**
 * Makes a function that opens links.
 *
 * @returns Opens a link; `false` when there is no browser to be seen by the person.
 */
export function browserOpener(surroundings: BrowserSurroundings): (url: string) => Promise<boolean> {
  return async (url) => {
    const launcher = findLauncher(surroundings);
    if (launcher === null) return false;
    const [program, ...args] = launcher;
    try {
      const child = new Deno.Command(program, {
        args: [...args, url],
        stdin: "null",
        stdout: "null",
        stderr: "null",
      })
        .spawn();
      child.unref();
      const { promise: patience, resolve } = Promise.withResolvers<boolean>();
      const timer = setTimeout(() => resolve(true), LAUNCH_WITHIN_MS);
      const isOpen = await Promise.race([child.status.then((status) => status.success), patience]);
      clearTimeout(timer);
      return isOpen;
    } catch {
      return false; // not installed, or not allowed: the link is shown all the same
    }
  };
}

function findLauncher({ isRemote, hasDisplay }: BrowserSurroundings): [string, ...string[]] | null {
  if (isRemote) return null;
  switch (Deno.build.os) {
    case "darwin":
      return ["open"];
    case "windows":
      return ["rundll32", "url.dll,FileProtocolHandler"];
    default:
      return hasDisplay ? ["xdg-open"] : null;
  }
}
