// Opens a community's database: schema first, then the lanes.
import type { Engine } from "../queue.ts";
import { connect } from "./connection.ts";
import { openEngine, type PostgresOptions } from "./engine.ts";
import { migratePostgres, type Newcomer } from "./migrations.ts";
import { parseDatabaseUrl } from "./url.ts";

export async function openPostgres(text: string, options: PostgresOptions & Newcomer): Promise<Engine> {
  const url = parseDatabaseUrl(text);
  const connection = await connect(url, { name: "schema" });
  try {
    await migratePostgres(connection, options);
  } finally {
    await connection.close();
  }
  return await openEngine(url, options);
}
