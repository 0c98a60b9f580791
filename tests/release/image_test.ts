/**
 * The container image, unpacked and run by `runc`, which Docker and Podman run containers with: as the image's user, with a root
 * that cannot be written and no rights.
 * @module
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { makeImage } from "../../build/release/image.ts";
import { measure } from "../../build/release/manifest.ts";
import { testWith } from "../helpers/needs.ts";
import { Program, type ProgramResult, runProgram } from "../helpers/program.ts";
import { tempFolder } from "../helpers/temp_folder.ts";
import { COMMITTED_AT, packRelease } from "./packed_release.ts";
import { TARGET } from "./release_folder.ts";

const USER = 65_532;

async function must(command: string, args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await runProgram(command, args);
  assert.equal(code, 0, `${command} ${args.join(" ")}:\n${stdout}\n${stderr}`);
  return stdout;
}

/** What `runc` is to do, as far as the test changes what `umoci` made of the image's configuration. */
interface Bundle {
  process: { args: string[]; user: { uid: number }; terminal: boolean; capabilities: unknown };
  root: { readonly?: boolean };
  mounts: { destination: string }[];
}

testWith(
  ["linux", "root", "executables", "namespaces", { command: "umoci" }, { command: "runc" }, {
    command: "dpkg-deb",
  }],
  "the container image serves as its user on a root that cannot be written, says that it is healthy, and stops when asked",
  async () => {
    using folder = tempFolder();
    const release = await packRelease(folder.path, ["mini-chat-server"]);
    const options = { folder: folder.path, release, committedAt: COMMITTED_AT, target: TARGET };
    const image = await makeImage(options);
    const { sha256 } = await measure(image);
    await makeImage(options);
    assert.equal((await measure(image)).sha256, sha256);

    const [layout, bundle, data] = ["layout", "bundle", "data"].map((name) => join(folder.path, name)) as [
      string,
      string,
      string,
    ];
    await Deno.mkdir(layout);
    await must("tar", ["-xf", image, "-C", layout]);
    await must("umoci", ["unpack", "--image", `${layout}:${release.version}`, bundle]);
    // Docker's name for what the specification leaves out; its Config is where `docker load` finds it.
    const [{ Config }] = JSON.parse(await Deno.readTextFile(join(layout, "manifest.json")));
    const { config } = JSON.parse(await Deno.readTextFile(join(layout, Config)));
    assert.deepEqual(config.Volumes, { "/data": {} });
    assert.deepEqual(config.ExposedPorts, { "7667/tcp": {} });

    const configFile = join(bundle, "config.json");
    const given = JSON.parse(await Deno.readTextFile(configFile)) as Bundle;
    assert.equal(given.process.user.uid, USER);
    given.process = { ...given.process, terminal: false, capabilities: {} };
    given.root.readonly = true;
    await must("cp", ["-a", join(bundle, "rootfs", "data"), data]); // as a new volume is filled
    const volume = { destination: "/data", type: "bind", source: data, options: ["bind", "rw"] };
    given.mounts = [...given.mounts.filter(({ destination }) => destination !== "/data"), volume];
    await Deno.writeTextFile(configFile, JSON.stringify(given));

    const id = `mini-chat-test-${crypto.randomUUID()}`;
    const [check, ...checkArgs] = config.Healthcheck.Test;
    assert.equal(check, "CMD");
    const inside = (args: readonly string[]): Promise<ProgramResult> =>
      runProgram("runc", ["exec", id, ...args]);
    await using container = new Program("runc", ["run", "--bundle", bundle, id]);
    try {
      await container.waitForLine(/Invite link {2}mini-chat:/);
      const healthy = await inside(checkArgs);
      assert.equal(healthy.code, 0, healthy.stderr);
      assert.equal((await inside(["/usr/bin/mini-chat-server", "invite", "new"])).code, 0);
      for await (const { name } of Deno.readDir(data)) {
        assert.equal((await Deno.stat(join(data, name))).uid, USER, name);
      }
      assert.notEqual((await inside(["/usr/bin/mini-chat-server", "backup", "/usr/backup.db"])).code, 0);
      await must("runc", ["kill", id, config.StopSignal]);
      assert.equal((await container.waitForExit()).code, 0);
      assert.match(container.stderr, /info stopped/);
    } finally {
      await runProgram("runc", ["delete", "--force", id]);
    }
  },
);
