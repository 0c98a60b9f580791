import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { createEphemeralIdentity, loadOrCreateIdentity } from "../../lib/net/identity.ts";
import { examineDatabase } from "../../lib/server/doctor/database.ts";
import type { Finding } from "../../lib/findings/finding.ts";
import type { Patient } from "../../lib/server/doctor/patient.ts";
import { examineBackup, examineFolder, whyEmpty } from "../../lib/server/doctor/folder.ts";
import { examineIdentity } from "../../lib/server/doctor/identity.ts";
import { examineReach, examineServer } from "../../lib/server/doctor/network.ts";
import { dataPaths } from "../../lib/server/data_folder.ts";
import { noteBackup } from "../../lib/server/operator/last_backup.ts";
import { openLocalStore } from "../../lib/store/open.ts";
import { runServer, serverCommand, startServer } from "../helpers/mini_chat.ts";
import { testWith } from "../helpers/needs.ts";
import { newDatabase, POSTGRES } from "../helpers/postgres.ts";
import { renew } from "../helpers/renewed_certificate.ts";
import { runProgram } from "../helpers/program.ts";
import { type TempFolder, tempFolder } from "../helpers/temp_folder.ts";
import { addPerson, send } from "../store/store_helpers.ts";

const DAY_MS = 86_400_000;

/** A data folder with a key and a database, on which no server runs. */
async function newPatient(folder: TempFolder): Promise<Patient> {
  const { folder: path, database } = dataPaths(folder.path);
  await loadOrCreateIdentity(path);
  await using _store = await openLocalStore(database);
  return {
    folder: path,
    database,
    databaseUrl: undefined,
    certificatePath: join(path, "server.crt"),
    keyPath: join(path, "server.key"),
    running: false,
    isShared: false,
    hasShut: false,
    pid: null,
    shownPem: null,
    host: "127.0.0.1",
    port: 7667,
    publicHost: null,
    maxConnections: 100,
  };
}

/** Checks what was found of one thing. */
function expect(findings: readonly Finding[], about: string, level: Finding["level"], words: RegExp): void {
  const finding = findings.find((finding) => finding.about === about);
  assert.ok(finding, `${about} is missing in ${JSON.stringify(findings)}`);
  assert.equal(finding.level, level, JSON.stringify(finding));
  assert.match(finding.seen, words);
  assert.ok(level === "ok" || finding.next, "says what to do");
}

Deno.test("doctor: a running server that is well has no error, at 80 columns and as JSON, and nothing is left behind", async () => {
  using folder = tempFolder();
  const data = join(folder.path, "data");
  await using server = await startServer({ data });
  const names = () => [...Deno.readDirSync(data)].map(({ name }) => name).toSorted();
  const before = names();
  const { code, stdout, stderr } = await runServer(["doctor", "--data", data]);
  assert.equal(code, 0, stdout + stderr);
  for (const line of stdout.split("\n")) assert.ok(line.length <= 80 || line.includes(folder.path), line);
  const json = await runServer(["doctor", "--json", "--data", data]);
  const findings = json.stdout.trim().split("\n").map((line) => JSON.parse(line)) as Finding[];
  assert.deepEqual(findings.filter(({ level }) => level === "error"), []);
  expect(findings, "server", "ok", /^127\.0\.0\.1:\d+ answers in \d+ ms, its store in \d+ ms/);
  expect(findings, "reach", "ok", new RegExp(`^Port ${server.port} is open on 127\\.0\\.0\\.1`));
  expect(findings, "database", "ok", /^The database is not damaged; its schema is \d+\.$/);
  expect(findings, "backup", "warning", /^No backup was ever made/);
  assert.deepEqual(names(), before);
  await server.program.kill();
  const dead = await runServer(["doctor", "--json", "--data", data]);
  assert.equal(dead.code, 1);
  assert.match(dead.stdout, /"about":"server","level":"error","seen":"Cannot reach .+ nothing listens there/);
  assert.match(dead.stderr, /^Found 2 errors, \d warnings?\n$/, "nor is the port open");
  assert.equal((await runServer(["doctor", "--data", join(folder.path, "nowhere")])).code, 1);
});

Deno.test("doctor: says what is wrong with the data folder", async () => {
  using folder = tempFolder();
  using empty = tempFolder();
  const patient = await newPatient(folder);
  const names = () => [...Deno.readDirSync(folder.path)].map(({ name }) => name).toSorted();
  const before = names();
  const well = await examineFolder(patient);
  for (const about of ["modes", "sync", "disk", "log", "leftovers"]) expect(well, about, "ok", /./);
  await examineDatabase(patient);
  assert.deepEqual(names(), before, "nothing is left behind");
  assert.equal(await whyEmpty(patient), null);
  const other = dataPaths(empty.path);
  const without = { ...patient, ...other, keyPath: join(empty.path, "server.key") };
  assert.match((await whyEmpty(without))!.seen, /holds no key and no database/);
  assert.match((await whyEmpty({ ...without, folder: join(empty.path, "x") }))!.seen, /there is none/);

  using log = await Deno.open(`${patient.database}-wal`, { write: true, create: true });
  await log.truncate(200_000_000);
  expect(await examineFolder(patient), "log", "warning", /log has grown to 200 MB, .* stopped with Ctrl\+Z/);

  await Deno.writeTextFile(join(folder.path, "server.key.0f.new"), "");
  expect(await examineFolder(patient), "leftovers", "warning", /server\.key\.0f\.new/);
  if (Deno.build.os === "windows") return;
  await Deno.chmod(patient.keyPath, 0o640);
  expect(await examineFolder(patient), "modes", "warning", /server\.key \(640\)/);
  await Deno.chmod(patient.folder, 0o755);
  expect(await examineFolder(patient), "modes", "error", /server\.key \(640\), .+ \(755\)/);
});

testWith(
  ["linux", "root", { command: "unshare" }],
  "doctor: a data folder in memory, one that cannot be written, and few files allowed",
  async () => {
    using folder = tempFolder();
    const patient = await newPatient(folder);
    const { command, args } = serverCommand();
    const doctor = async (before: string): Promise<Finding[]> => {
      const run = [command, ...args, "doctor", "--json", "--data", patient.folder];
      const line = `${before} && exec "$@"`;
      const { stdout } = await runProgram("unshare", ["--mount", "sh", "-c", line, "sh", ...run]);
      return stdout.trim().split("\n").map((line) => JSON.parse(line));
    };
    const mount = (options: string) =>
      `mount -t tmpfs ${options} none ${folder.path} && touch ${patient.keyPath}`;
    expect(await doctor(mount("")), "sync", "error", /lies in memory/);
    const readOnly = await doctor(`${mount("")} && mount -o remount,ro ${folder.path}`);
    expect(readOnly, "sync", "error", /^Nothing can be written to/);
    assert.match(
      readOnly.find(({ about }) => about === "sync")!.next!,
      /^Its disk is read-only: make a backup to another one/,
    );
    const small = await doctor(mount("-o size=64m"));
    expect(small, "disk", "error", /^67 MB of the disk's 67 MB are free/);
    assert.match(
      small.find(({ about }) => about === "disk")!.next!,
      /^Use a larger disk: the database's log alone may take 67 MB/,
    );
    const few = await doctor("ulimit -n 700");
    expect(few, "files", "warning", /^A process started here may open 700 files, for 10000 connections/);
    expect(await doctor("ulimit -n 10600"), "files", "ok", /may open 10600 files/);
  },
);

Deno.test("doctor: says what is wrong with key and certificate", async () => {
  using folder = tempFolder();
  const patient = await newPatient(folder);
  const well = await examineIdentity(patient);
  expect(well, "key", "ok", /SHA256:/);
  expect(well, "certificate", "ok", /does not end/);
  const identity = await loadOrCreateIdentity(folder.path);
  const renewed = await renew(identity, "chat.example.org"); // good from 2020 to 2090
  const shownPem = identity.certificatePem;
  await Deno.writeTextFile(patient.certificatePath, renewed.certificatePem);
  expect(await examineIdentity({ ...patient, shownPem }), "shown", "warning", /before it was renewed/);
  const at = async (day: string) => await examineIdentity(patient, Date.parse(day));
  expect(await at("2089-12-20"), "certificate", "warning", /ends in 12 days, on 2090-01-01/);
  expect(await at("2091-01-01"), "certificate", "error", /ended on 2090-01-01/);
  expect(await at("2019-01-01"), "certificate", "error", /good from 2020-01-01 only/);
  const other = await createEphemeralIdentity();
  expect(
    await examineIdentity({ ...patient, shownPem: other.certificatePem }),
    "shown",
    "warning",
    /another key/,
  );
  await Deno.writeTextFile(patient.certificatePath, other.certificatePem);
  expect(await examineIdentity(patient), "key", "error", /holds another one: SHA256:/);
  await Deno.remove(patient.certificatePath);
  expect(
    await examineIdentity(patient),
    "key",
    "warning",
    /server\.crt is gone; clients know the server by its key/,
  );
  await Deno.remove(patient.keyPath);
  expect(await examineIdentity(patient), "key", "error", /Cannot read certificate file/);
});

Deno.test("doctor: says what is wrong with the database, and with the clock", async () => {
  using folder = tempFolder();
  const patient = await newPatient(folder);
  expect(await examineDatabase(patient), "clock", "ok", /nothing here is newer/);
  await Deno.utime(patient.keyPath, new Date(), new Date(Date.now() + DAY_MS));
  expect(await examineDatabase(patient), "clock", "warning", /server\.key was written at/);
  {
    await using store = await openLocalStore(patient.database, { now: () => Date.now() + DAY_MS });
    const ana = await addPerson(store, "ana");
    for (let index = 0; index < 200; index++) await send(store, ana, "ana", "x".repeat(500));
  }
  expect(await examineDatabase(patient), "clock", "error", /the newest message is of/);
  {
    using database = new DatabaseSync(patient.database);
    database.exec("PRAGMA user_version = 999");
    expect(await examineDatabase(patient), "database", "error", /schema is 999/);
    database.exec("PRAGMA user_version = 1");
  }
  expect(await examineDatabase(patient), "database", "warning", /schema is 1\./);
  {
    using file = await Deno.open(patient.database, { write: true });
    await file.seek(Math.floor((await file.stat()).size / 2), Deno.SeekMode.Start);
    await file.write(crypto.getRandomValues(new Uint8Array(8192)));
  }
  expect(await examineDatabase(patient), "database", "error", /damaged/);
  await Deno.remove(patient.database);
  expect(await examineDatabase(patient), "database", "error", /^Cannot read/);
  expect(await examineDatabase({ ...patient, isShared: true }), "database", "warning", /shared database/);
});

testWith(POSTGRES, "doctor: a shared database that answers, and one that does not", async () => {
  using folder = tempFolder();
  const patient = await newPatient(folder);
  const url = await newDatabase();
  const none = await examineDatabase({ ...patient, databaseUrl: url });
  expect(none, "database", "error", /^Cannot find a community/);
  const { openSharedStore } = await import("../../lib/store/open.ts");
  await (await openSharedStore(url, { fingerprint: "of the tests" }))[Symbol.asyncDispose]();
  expect(await examineDatabase({ ...patient, databaseUrl: url }), "database", "ok", /^PostgreSQL answers/);
  const away = await examineDatabase({ ...patient, databaseUrl: "postgres://nobody@127.0.0.1:1/none" });
  expect(away, "database", "error", /^Cannot open the database/);
});

Deno.test("doctor: says how old the last backup is", async () => {
  using folder = tempFolder();
  const paths = dataPaths(folder.path);
  const madeDaysAgo = async (days: number) => {
    const at = new Date(Date.now() - days * DAY_MS).toISOString();
    await noteBackup(paths, { at, file: join(folder.path, "a.backup"), bytes: 2_500_000 });
    return [await examineBackup(paths)];
  };
  expect(await madeDaysAgo(0.1), "backup", "ok", /2 hours old: .+ \(2\.5 MB\), moved since/);
  expect(await madeDaysAgo(-2), "backup", "ok", /^The last backup is of later than now, by this clock: /);
  expect(await madeDaysAgo(20), "backup", "warning", /20 days old/);
});

Deno.test("doctor: says what is wrong with the way to the server", async () => {
  using folder = tempFolder();
  const patient = await newPatient(folder);
  expect([await examineServer(patient)], "server", "warning", /^No server runs/);
  const shownPem = await Deno.readTextFile(patient.certificatePath);
  const dead = { ...patient, running: true, port: 1, shownPem };
  expect([await examineServer(dead)], "server", "error", /nothing listens there/);
  expect(await examineReach(dead), "reach", "error", /not reached on 127\.0\.0\.1/);
  const shut = { ...dead, isShared: true, hasShut: true };
  expect(
    [await examineServer(shut)],
    "server",
    "error",
    /^The server runs, but has shut port 1, as it cannot use its database/,
  );
  assert.deepEqual((await examineReach(shut)).map(({ about }) => about), ["outside", "files"]);
  const named = async (publicHost: string | null, host = "192.168.7.7") =>
    await examineReach({ ...patient, host, publicHost });
  expect(await named(null), "outside", "warning", /name 192\.168\.7\.7, which only this network reaches/);
  expect(await named(null, "203.0.113.7"), "outside", "ok", /cannot be known from here/);
  expect(await named("203.0.113.7", "203.0.113.7"), "outside", "ok", /of this machine; whether a firewall/);
  expect(await named("192.168.7.7"), "outside", "warning", /in this network alone/);
  expect(await named("203.0.113.7"), "outside", "warning", /not an address of this machine/);
  expect(await named("localhost"), "outside", "warning", /only this machine reaches/);
  expect(await named("no.such.name.invalid"), "outside", "error", /has no address/);
});
