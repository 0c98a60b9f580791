/**
 * A program that sends without end and prints the id of each message once the store has acknowledged it; to be killed.
 *
 * `deno run … storm_program.ts DATABASE ROUND`: the accounts `ana` (1) and `bob` (2) must exist.
 * @module
 */
import { openServerStore } from "../../lib/store/open.ts";

const [path, round] = Deno.args as [string, string];
const encoder = new TextEncoder();
const store = await openServerStore(path);
let count = 0;

async function sendWithoutEnd(): Promise<never> {
  for (;;) {
    const id = `${round}-${count++}`;
    await store.sendMessage({ senderId: 1, id, to: "bob", text: `text of ${id}` });
    // Written at once: what is printed was acknowledged, whenever the kill comes.
    Deno.stdout.writeSync(encoder.encode(`${id}\n`));
  }
}

await Promise.all(Array.from({ length: 32 }, sendWithoutEnd));
