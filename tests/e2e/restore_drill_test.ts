/**
 * The drill: people write, a backup is made meanwhile, the server dies and its data is lost; a new folder at the same port is
 * restored from the backup. The people's programs run on all the time, and must notice no more than a broken connection.
 * @module
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { addDevice, addPeople, makeProfile, type Person } from "../helpers/population.ts";
import { runServer, startServer } from "../helpers/mini_chat.ts";
import { testWith } from "../helpers/needs.ts";
import { tempFolder } from "../helpers/temp_folder.ts";
import { waitUntil } from "../helpers/wait_until.ts";
import { Device } from "../torture/device.ts";
import { FaultProxy } from "../torture/fault_proxy.ts";
import { type Entry, originOf } from "../torture/history.ts";

const TALKERS = 4;
const PER_SECOND = 25; // messages that each writes
const RESTORED_WITHIN_MS = 60_000;

/** Messages acknowledged before the backup begins, and from it to the loss. */
const STORED = { before: 150, after: 60 };

type Told<Kind extends Entry["kind"]> = Extract<Entry, { kind: Kind }> & { readonly at: number };

/** What a device wrote down of one kind, in order. */
function entriesOf<Kind extends Entry["kind"]>({ history }: Device, kind: Kind): Told<Kind>[] {
  return history.lives.flat().filter((entry): entry is Told<Kind> => entry.kind === kind);
}

/** Ids of the messages in a database file, in the order of their sequences. */
function idsIn(path: string): string[] {
  using database = new DatabaseSync(path, { readOnly: true });
  return database.prepare("SELECT id FROM messages ORDER BY sequence").all().map(({ id }) => String(id));
}

testWith(
  ["unix"],
  "a server is lost and restored under load: nothing from before the backup is missing, nothing comes twice",
  async () => {
    using folder = tempFolder();
    await using stack = new AsyncDisposableStack();
    const [data, backups, fresh] = ["data", "backups", "fresh"].map((name) => join(folder.path, name)) as [
      string,
      string,
      string,
    ];
    const people = await addPeople(data, "t", TALKERS);
    const second = await addDevice(data, people[0]!);
    const lost = await startServer({ data });
    const { port, fingerprint } = lost;
    stack.use(lost);
    const certificate = await Deno.readTextFile(join(data, "server.crt"));
    const deviceOf = (person: Person, device: string, runs: Device["options"]["runs"]) => {
      const profile = join(folder.path, device);
      const proxy = stack.use(FaultProxy.listen(port));
      makeProfile(profile, proxy.port, certificate, person);
      const clock = () => performance.now();
      const made = new Device({ account: person.name, device, profile, proxy, runs, clock });
      stack.defer(() => made.kill());
      made.start();
      return made;
    };
    const talkers = people.map((person, index) => {
      const friends = people.filter((_, other) => other !== index).map(({ name }) => name);
      return deviceOf(person, `${person.name}.1`, { kind: "talker", friends, perSecond: PER_SECOND });
    });
    const devices = [...talkers, deviceOf(second, `${second.name}.2`, { kind: "tail" })];
    const accepted = () => talkers.flatMap((device) => entriesOf(device, "accepted"));
    const shown = () => devices.flatMap((device) => entriesOf(device, "shows"));
    await waitUntil("messages are stored", () => accepted().length >= STORED.before);

    const beforeBackup = new Set(accepted().map(({ id }) => id));
    const backup = await runServer(["backup", backups, "--keep", "2", "--data", data]);
    assert.equal(backup.code, 0, backup.stderr);
    const atBackup = accepted().length;
    await waitUntil("more messages are stored", () => accepted().length >= atBackup + STORED.after);
    await lost.program.kill();
    await Deno.remove(data, { recursive: true });

    const [{ name = "" } = {}] = await Array.fromAsync(Deno.readDir(backups));
    const restore = await runServer(["restore", join(backups, name), "--data", fresh, "--yes"]);
    assert.equal(restore.code, 0, restore.stderr);
    const restored = idsIn(join(fresh, "mini-chat.db"));
    assert.equal(new Set(restored).size, restored.length);
    assert.deepEqual(
      [...beforeBackup].filter((id) => !restored.includes(id)),
      [],
      "acknowledged before the backup",
    );
    for (const device of talkers) {
      const ids = entriesOf(device, "wrote").map(({ id }) => id);
      assert.deepEqual(
        restored.filter((id) => ids.includes(id)),
        ids.filter((id) => restored.includes(id)),
        "in order",
      );
    }

    const startedAt = performance.now();
    const server = stack.use(await startServer({ data: fresh, port }));
    assert.equal(server.fingerprint, fingerprint);
    const isBack = (device: Device) => entriesOf(device, "shows").some(({ at }) => at > startedAt);
    await waitUntil("everybody gets new messages", () => devices.every(isBack), RESTORED_WITHIN_MS);
    for (const device of talkers) device.quiet();
    await waitUntil("all is sent", () => talkers.every(({ isEmpty }) => isEmpty), RESTORED_WITHIN_MS);
    // What was in an outbox at the loss or written later is there; it is what the restored server holds and the backup did not.
    const newIds = idsIn(join(fresh, "mini-chat.db")).slice(restored.length);
    const recipientOf = new Map(
      talkers.flatMap((device) => entriesOf(device, "wrote").map(({ id, to }) => [id, to])),
    );
    const missingAt = (device: Device) => {
      const seen = new Set(entriesOf(device, "shows").map(({ id }) => id));
      return [...beforeBackup, ...newIds].filter((id) =>
        recipientOf.get(id) === device.options.account && !seen.has(id)
      );
    };
    await waitUntil("all has come", () => devices.every((device) => missingAt(device).length === 0)).catch(
      () => {
        for (const device of devices) {
          assert.deepEqual(missingAt(device), [], `lost for ${device.options.device}`);
        }
      },
    );

    for (const device of devices) {
      const { options, history, complaints } = device;
      assert.equal(history.lives.length, 1, `${options.device} ran on: ${complaints}`);
      const ids = entriesOf(device, "shows").map(({ id }) => id);
      assert.deepEqual(
        ids.filter((id, index) => ids.indexOf(id) !== index),
        [],
        `twice at ${options.device}`,
      );
      const numbers = Map.groupBy(
        entriesOf(device, "shows").map(({ text }) => originOf(text)!),
        (it) => it.device,
      );
      for (const [from, origins] of numbers) {
        const order = origins.map(({ number }) => number);
        assert.deepEqual(order, order.toSorted((a, b) => a - b), `order from ${from} at ${options.device}`);
      }
    }
    assert.ok(newIds.length > 0 && shown().length > beforeBackup.size);
    for (const device of devices) {
      await device.kill();
      assert.doesNotMatch(
        device.complaints,
        /fingerprint|key|log in|signed out|Error/i,
        device.options.device,
      );
    }
    const check = await runServer(["check", "--data", fresh]);
    assert.equal(check.code, 0, check.stderr);
  },
);
