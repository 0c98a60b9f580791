/**
 * The server as its next release might be: the same, with one more change to the database, of either kind.
 * @module
 */
import { join } from "node:path";
import { PROJECT_FOLDER } from "../../build/tool.ts";

const PARTS = ["lib", "server.ts", "deno.json", "deno.lock"];
const MIGRATIONS = ["lib/store/postgres/migrations.ts", "lib/store/sqlite/migrations.ts"];

/** A table that it adds. */
export const NEXT_TABLE = "of_next_release";

/** What a release may do while servers of the last one run: it only adds. */
const NEXT = `
  {
    title: "of the next release",
    sql: \`
      ALTER TABLE accounts ADD COLUMN of_next_release text;
      ALTER TABLE messages ADD COLUMN of_next_release INTEGER NOT NULL DEFAULT 0;
      CREATE TABLE ${NEXT_TABLE} (account_id bigint PRIMARY KEY REFERENCES accounts (id));
    \`,
  },
`;

/**
 * Makes its source.
 *
 * @param folder Where it goes; must not exist.
 * @returns Path of its `server.ts`.
 */
export async function makeNextRelease(folder: string): Promise<string> {
  await Deno.mkdir(folder);
  const { success, stderr } = await new Deno.Command("cp", {
    args: ["-R", ...PARTS, folder],
    cwd: PROJECT_FOLDER,
    stdin: "null",
  }).output();
  if (!success) throw new Error(`Cannot copy the source: ${new TextDecoder().decode(stderr)}`);
  for (const name of MIGRATIONS) {
    const path = join(folder, name);
    const source = await Deno.readTextFile(path);
    const [, before = "", after = ""] = /^(.*_MIGRATIONS[^=]*= \[.*?\n)(\];\n.*)$/s.exec(source) ?? [];
    if (after === "") throw new Error(`Cannot find the list of migrations in ${name}`);
    await Deno.writeTextFile(path, before + NEXT + after);
  }
  return join(folder, "server.ts");
}
