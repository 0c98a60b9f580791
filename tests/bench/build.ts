/**
 * What is measured: the executables, where they are there and newer than the source, else the source.
 * @module
 */
import { join } from "node:path";
import { PROJECT_FOLDER } from "../../build/tool.ts";

/** The executables, as `deno task compile` leaves them. */
const EXECUTABLES = ["mini-chat-server", "mini-chat-client"];

/**
 * Decides, and sets `MINI_CHAT_TEST_DIST` for all that follows. A folder that it names already is taken as it is.
 *
 * @returns What is measured, for people.
 */
export async function chooseBuild(): Promise<string> {
  const chosen = Deno.env.get("MINI_CHAT_TEST_DIST");
  if (chosen) return "the executables";
  const folder = join(PROJECT_FOLDER, "dist");
  const times = await Promise.all(EXECUTABLES.map((name) => changedAt(join(folder, name))));
  const oldest = Math.min(...times);
  if (oldest === 0) return "the source, as there are no executables in dist (deno task compile makes them)";
  if (oldest < await newestSource(PROJECT_FOLDER)) return "the source, as the executables in dist are older";
  Deno.env.set("MINI_CHAT_TEST_DIST", folder);
  return "the executables";
}

async function newestSource(folder: string): Promise<number> {
  let newest = 0;
  for (const name of ["server.ts", "client.ts"]) {
    newest = Math.max(newest, await changedAt(join(folder, name)));
  }
  const visit = async (place: string): Promise<void> => {
    for await (const entry of Deno.readDir(place)) {
      const path = join(place, entry.name);
      if (entry.isDirectory) await visit(path);
      else if (entry.name.endsWith(".ts")) newest = Math.max(newest, await changedAt(path));
    }
  };
  await visit(join(folder, "lib"));
  return newest;
}

/** When a file was last written, in epoch milliseconds; 0 when it is not there. */
async function changedAt(path: string): Promise<number> {
  try {
    return (await Deno.stat(path)).mtime?.getTime() ?? 0;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return 0;
    throw error;
  }
}
