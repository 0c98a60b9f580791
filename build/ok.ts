/**
 * `deno task ok`: everything that must hold before a commit: format, lint, types, documentation, tests.
 *
 * Runs each step even when one before it failed, and ends with the list of those that did. `--without-tests`
 * leaves out the last one.
 * @module
 */
import { join } from "node:path";
import { complain, PROJECT_FOLDER, runDeno, say } from "./tool.ts";

/** The contract of each folder of `lib/`: what one programs against who comes from another folder (lib/README.md). */
const CONTRACTS = [
  "lib/errors.ts",
  "lib/chat/cluster.ts",
  "lib/chat/operator_store.ts",
  "lib/chat/store.ts",
  "lib/client/chat_client.ts",
  "lib/mail/mailer.ts",
  "lib/mail/outbox.ts",
  "lib/net/listener.ts",
  "lib/net/rpc_connection.ts",
  "lib/net/trust.ts",
  "lib/peer/direct_chat.ts",
  "lib/profile/profile.ts",
  "lib/server/serve.ts",
  "lib/sqlite/database.ts",
  "lib/store/open.ts",
  "lib/terminal/terminal.ts",
];

async function main(): Promise<number> {
  const steps: [name: string, run: () => Promise<number>][] = [
    ["format", () => runDeno(["fmt", "--check", "--quiet"])],
    ["lint", () => runDeno(["lint", "--quiet"])],
    ["types", () => runDeno(["check", "--quiet", "."])],
    ["documentation", checkDocumentation],
  ];
  if (!Deno.args.includes("--without-tests")) {
    steps.push(["tests", () => runDeno(["task", "--quiet", "test"])]);
  }

  const failed: string[] = [];
  for (const [name, run] of steps) {
    const startedAt = performance.now();
    const code = await run();
    const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
    say(`${name}: ${code === 0 ? "ok" : "FAILED"} (${seconds} s)`);
    if (code !== 0) failed.push(name);
  }
  if (failed.length > 0) complain(`Not ok: ${failed.join(", ")}`);
  return failed.length > 0 ? 1 : 0;
}

/**
 * `deno doc --lint`, but for one of its rules: `private-type-ref` asks that every type of a signature be exported from the
 * same module, which a type of a package (`z.ZodString`, `Command`) cannot be.
 */
async function checkDocumentation(): Promise<number> {
  const { stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["doc", "--lint", "--quiet", ...documentedModules()],
    cwd: PROJECT_FOLDER,
    env: { NO_COLOR: "1" },
    stdout: "null",
  }).output();
  const complaints = new TextDecoder().decode(stderr).split(/\n(?=error)/)
    .filter((text) => text.startsWith("error") && !/^error\[private-type-ref\]|^error: Found/.test(text));
  for (const text of complaints) complain(text.trim());
  return complaints.length > 0 ? 1 : 0;
}

/** Every module of which each exported symbol, field and method must be documented: the protocol, and the contracts. */
function documentedModules(): string[] {
  const protocol = [...Deno.readDirSync(join(PROJECT_FOLDER, "lib/protocol"))]
    .filter(({ name }) => name.endsWith(".ts")).map(({ name }) => `lib/protocol/${name}`);
  return [...protocol, ...CONTRACTS].sort();
}

Deno.exit(await main());
