/** A launcher that runs this long has opened something: some stay until the browser is closed, milliseconds. */
const LAUNCH_WITHIN_MS = 1_000;

interface BrowserSurroundings {
  readonly isRemote: boolean; // whether the person sits at another machine (`SSH_CONNECTION` or `SSH_TTY` is set)
  readonly hasDisplay: boolean; // whether Linux has a graphical screen (`DISPLAY` or `WAYLAND_DISPLAY` is set)
}

/** Makes a function that opens a link; its `false` means that the person sees no browser. */
export function browserOpener(surroundings: BrowserSurroundings): (url: string) => Promise<boolean> {
  return async (url) => {
    const launcher = findLauncher(surroundings);
    if (launcher === null) return false;
    const [program, ...args] = launcher;
    try {
      const silent = { stdin: "null", stdout: "null", stderr: "null" } as const;
      const child = new Deno.Command(program, { args: [...args, url], ...silent }).spawn();
      child.unref();
      const { within } = await import("../../waiting.ts"); // the entry file loads this one at each start
      const status = await within(LAUNCH_WITHIN_MS, child.status);
      return status?.success ?? true;
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
