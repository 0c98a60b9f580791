import assert from "node:assert/strict";
import { checkDatabaseIsThere, dataPaths } from "../../lib/server/data_folder.ts";
import { examineDatabase } from "../../lib/server/doctor/database.ts";
import type { Patient } from "../../lib/server/doctor/patient.ts";
import { serveControls } from "../../lib/server/live/control.ts";
import { writeRunFile } from "../../lib/server/live/run_file.ts";
import { openLocalStore } from "../../lib/store/open.ts";
import { SILENT_LOG } from "../helpers/chat_server.ts";
import { testWith } from "../helpers/needs.ts";
import { tempFolder } from "../helpers/temp_folder.ts";

testWith(
  ["unix"],
  "a ban was once lost without a word where the index of the running server's log had been removed",
  async () => {
    using folder = tempFolder();
    const paths = dataPaths(folder.path);
    await using _store = await openLocalStore(paths.database);
    const place = {
      pid: Deno.pid,
      startedAt: 0,
      host: "127.0.0.1",
      port: 1,
      certificatePem: "",
      maxConnections: 1,
    };
    await using _run = await writeRunFile(folder.path, { ...place, isShared: false });
    await checkDatabaseIsThere(paths);
    for (const status of [() => Promise.resolve({}), () => Promise.reject(new Error("too busy to say"))]) {
      await using _controls = await serveControls(folder.path, { status }, SILENT_LOG);
      await Deno.remove(`${paths.database}-shm`).catch(() => {});
      await assert.rejects(
        checkDatabaseIsThere(paths),
        /mini-chat\.db-shm is gone, which the running server needs; stop that/,
      );
      const patient: Patient = {
        ...paths,
        ...place,
        databaseUrl: undefined,
        certificatePath: "",
        keyPath: "",
        running: true,
        isShared: false,
        hasShut: false,
        shownPem: null,
        publicHost: null,
      };
      const [finding] = await examineDatabase(patient);
      assert.match(finding!.seen, /mini-chat\.db-shm is gone/);
      const names = await Array.fromAsync(Deno.readDir(folder.path), ({ name }) => name);
      assert.deepEqual(
        names.filter((name) => name.endsWith("-shm")),
        [],
        "nobody has made another one",
      );
    }
    await checkDatabaseIsThere(paths); // that server has crashed
  },
);
