/**
 * A real client whose lines on standard output are its person's screen.
 * @module
 */
import { clientCommand } from "../helpers/mini_chat.ts";
import type { BenchContext } from "./context.ts";
import type { Target } from "./load.ts";
import { makeProfile, type Person } from "../helpers/population.ts";

/** A client that prints what arrives. */
export interface Screen extends AsyncDisposable {
  /** Tells of each message that was printed, and when its line was read here, on the clock of `performance.now()`. */
  onShown(tell: (id: string, at: number) => void): void;
}

/** Starts `tail --json` of the client program, as a person who is signed in on this device. */
export async function startScreen(context: BenchContext, target: Target, person: Person): Promise<Screen> {
  const profile = await context.newFolder();
  makeProfile(profile, target.port, target.certificatePem, person);
  const { command, args } = clientCommand();
  const child = new Deno.Command(command, {
    args: [...args, "tail", "--json"],
    env: { MINI_CHAT_PROFILE: profile, NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  let tell: (id: string, at: number) => void = () => {};
  const reading = read(child.stdout, (id, at) => tell(id, at));
  return {
    onShown: (next) => void (tell = next),
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await reading;
      await child.status;
    },
  };
}

async function read(
  stream: ReadableStream<Uint8Array>,
  tell: (id: string, at: number) => void,
): Promise<void> {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const at = performance.now();
    const lines = (rest + text).split("\n");
    rest = lines.pop()!;
    for (const line of lines) tell(JSON.parse(line).id, at);
  }
}
