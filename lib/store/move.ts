// Moves a whole store from one engine to the other while no server runs: all rows in the order of their keys, which stay as they
// are, so that clients notice nothing. Everything is read back and compared before it lasts.
import { UsageError } from "../errors.ts";
import { MOVED_TABLES, type MovedRow, type MovedTable, type MovingSide, refuseFilled } from "./tables.ts";

const ROWS_PER_PAGE = 1_000;

export interface MoveEnds {
  readonly path: string; // of SQLite's file
  readonly url: string;
  readonly direction: "to_postgres" | "to_sqlite";
  readonly fingerprint: string; // of the community's key, which lies in the folder
}

export interface MoveProgress {
  readonly table: string;
  readonly rows: number; // written so far
  readonly of: number;
}

/**
 * Moves everything, or nothing, also where the program is killed. The source stays as it was.
 * @returns Rows of each table.
 * @throws {UsageError} A side is in use, the target holds something already, or what was written reads otherwise.
 */
export async function moveStore(
  { path, url, direction, fingerprint }: MoveEnds,
  onProgress: (progress: MoveProgress) => void = () => {},
): Promise<ReadonlyMap<string, number>> {
  const [{ openSqliteSide }, { openPostgresSide }] = await Promise.all([
    import("./sqlite/moving.ts"),
    import("./postgres/moving.ts"),
  ]);
  const isToPostgres = direction === "to_postgres";
  await using postgres = await openPostgresSide(url, { fingerprint, isTarget: isToPostgres });
  await using sqlite = await openSqliteSide(path, { isTarget: !isToPostgres });
  const [source, target] = isToPostgres ? [sqlite, postgres] : [postgres, sqlite];

  await refuseFilled(target);
  const moved = new Map<string, number>();
  for (const table of MOVED_TABLES) moved.set(table.name, await source.countRows(table));
  for (const table of MOVED_TABLES) {
    await copy(table, source, target, (rows) => {
      onProgress({ table: table.name, rows, of: moved.get(table.name)! });
    });
  }
  for (const table of MOVED_TABLES) await compare(table, source, target);
  await target.commit();
  return moved;
}

async function copy(
  table: MovedTable,
  source: MovingSide,
  target: MovingSide,
  onRows: (rows: number) => void,
): Promise<void> {
  let rows = 0;
  for await (const page of pagesOf(table, source)) {
    await target.insert(table, page);
    rows += page.length;
    onRows(rows);
  }
  if (table.numbered) await target.setLastNumber(table, await source.lastNumber(table));
}

async function compare(table: MovedTable, source: MovingSide, target: MovingSide): Promise<void> {
  const written = pagesOf(table, target);
  for await (const page of pagesOf(table, source)) {
    const { value = [] } = await written.next();
    for (const [index, row] of page.entries()) {
      if (!isEqual(table, row, value[index])) throw differs(table, row, target);
    }
  }
  const { value: more } = await written.next();
  if (more) throw differs(table, more[0]!, target);
  if (table.numbered && await source.lastNumber(table) !== await target.lastNumber(table)) {
    throw new UsageError(`Cannot move to ${target.place}: the numbers of ${table.name} would not go on`);
  }
}

async function* pagesOf(table: MovedTable, side: MovingSide): AsyncGenerator<MovedRow[], undefined> {
  let page = await side.readPage(table, null, ROWS_PER_PAGE);
  while (page.length > 0) {
    yield page;
    page = await side.readPage(table, page.at(-1)!, ROWS_PER_PAGE);
  }
}

function isEqual({ columns }: MovedTable, a: MovedRow, b: MovedRow | undefined): boolean {
  return b !== undefined && columns.every((column) => a[column] === b[column]);
}

function differs({ name, key }: MovedTable, row: MovedRow, target: MovingSide): UsageError {
  const which = key.map((column) => row[column]).join(" ");
  return new UsageError(`Cannot move to ${target.place}: row ${which} of ${name} reads otherwise there`);
}
