/**
 * A small program on the real `Terminal`, for tests on a real pseudo-terminal.
 * @module
 */
import { Menu } from "../../lib/terminal/menu.ts";
import { readTextWith } from "../../lib/terminal/questions.ts";
import { Terminal } from "../../lib/terminal/terminal.ts";

const terminal = new Terminal({ term: Deno.env.get("TERM"), editor: Deno.env.get("EDITOR") });
const edit = Deno.env.has("EDITOR") ? (text: string) => terminal.edit(text) : undefined;
const onTerm = async () => {
  await terminal[Symbol.asyncDispose]();
  Deno.exit(43);
};
Deno.addSignalListener("SIGTERM", onTerm);
const menu = new Menu({
  terminal,
  prompt: "you> ",
  commands: [
    {
      number: 2,
      name: "send",
      usage: "TEXT",
      summary: "Send",
      run: (args) => terminal.print(`sent: ${args}`),
    },
    {
      name: "secret",
      summary: "Ask a secret",
      run: async () => await terminal.print(`length: ${(await terminal.readSecret("Password: "))?.length}`),
    },
    {
      name: "text",
      summary: "Write",
      run: async () => await terminal.print(`text: ${JSON.stringify(await readTextWith(terminal, edit))}`),
    },
    {
      name: "wait",
      summary: "Wait for Ctrl+C",
      run: async (_args, { signal }) => {
        await terminal.print("waiting");
        await new Promise((_resolve, reject) =>
          signal.addEventListener("abort", () => reject(signal.reason))
        );
      },
    },
    {
      name: "crash",
      summary: "Fail outside any command",
      run: async () => {
        setTimeout(() => {
          throw new Error("crashed on purpose");
        }, 0);
        await terminal.readLine({ prompt: "never> " });
      },
    },
    {
      name: "news",
      summary: "Print above the next prompt",
      run: () => void setTimeout(() => terminal.printAbove("• news"), 100),
    },
    { number: 7, name: "quit", summary: "Leave", run: (_args, { leave }) => leave() },
  ],
});
try {
  await terminal.print("ready");
  await menu.run();
} finally {
  Deno.removeSignalListener("SIGTERM", onTerm);
  await terminal[Symbol.asyncDispose]();
}
