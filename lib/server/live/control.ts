// The control socket in the data folder: what the operator's subcommands ask of the running server itself. One line of JSON each
// way: `{"do":"status"}`, and `{"result":…}` or `{"error":"…"}`. What an operator changes goes through the store instead.
import { join } from "node:path";
import type { Log } from "../../chat/services.ts";
import { ChatError, messageOf } from "../../errors.ts";
import { askLine, serveLines, usableSocketPath } from "../../net/local_socket.ts";

/** What can be asked, by name. What one throws becomes `error`. */
export type Controls = Readonly<Record<string, () => Promise<unknown>>>;

const SOCKET_FILE = "server.sock";

/** Serves until what this returns is disposed of. Without the socket, where there can be none, the server goes on. */
export async function serveControls(folder: string, controls: Controls, log: Log): Promise<AsyncDisposable> {
  const path = socketIn(folder);
  try {
    if (typeof path !== "string") throw new Error(path.whyNot);
    return await serveLines({ path, answer: (line) => answer(controls, line) });
  } catch (error) {
    log.warn("no control socket: status cannot ask this server", { reason: messageOf(error) });
    return { [Symbol.asyncDispose]: () => Promise.resolve() };
  }
}

/**
 * Asks the server that runs on a data folder.
 * @throws {ChatError} `unavailable` – none answers there, with what to do.
 */
export async function askServer(folder: string, what: string): Promise<unknown> {
  const path = socketIn(folder);
  const fail = (message: string, cause?: unknown) => new ChatError("unavailable", message, { cause });
  if (typeof path !== "string") throw fail(`Cannot ask the running server: ${path.whyNot}`);
  let reply: { readonly result?: unknown; readonly error?: unknown };
  try {
    reply = JSON.parse(await askLine(path, JSON.stringify({ do: what })));
  } catch (cause) {
    if (!isNobody(cause)) throw fail(messageOf(cause), cause);
    throw fail(
      `Cannot find a server that runs on data folder ${folder}: start it, or name its folder with --data DIR`,
      cause,
    );
  }
  if (reply.error !== undefined) {
    throw fail(`Cannot get ${what} of the server: ${reply.error}`, new Error(String(reply.error)));
  }
  return reply.result;
}

/** Whether a server runs on a data folder, as far as its socket says; one that stands still and answers nothing does. */
export async function isServerThere(folder: string): Promise<boolean> {
  return await askServer(folder, "status").then(
    () => true,
    (error) => error.cause !== undefined && !isNobody(error.cause),
  );
}

function isNobody(error: unknown): boolean {
  const code = (error as { cause?: { code?: string } }).cause?.code;
  return code === "ENOENT" || code === "ECONNREFUSED";
}

async function answer(controls: Controls, line: string): Promise<string> {
  try {
    const { do: what } = JSON.parse(line) as { do?: unknown };
    if (typeof what !== "string" || !Object.hasOwn(controls, what)) {
      throw new Error(`it can be asked for: ${Object.keys(controls).join(", ")}`);
    }
    return JSON.stringify({ result: await controls[what]!() });
  } catch (error) {
    return JSON.stringify({ error: messageOf(error) });
  }
}

function socketIn(folder: string): string | { readonly whyNot: string } {
  if (Deno.build.os === "windows") {
    return { whyNot: "there are no Unix sockets here; --metrics tells the same figures" };
  }
  const path = join(folder, SOCKET_FILE);
  return usableSocketPath(path) ??
    {
      whyNot:
        `the path ${path} is too long for a socket; start it in that folder with --data ., or use a shorter one`,
    };
}
