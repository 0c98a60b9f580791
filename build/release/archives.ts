// Archives whose bytes depend on nothing but what is in them: sorted names, one time, nobody's user and modes. By GNU tar, gzip and
// zip, which a release is made with on Linux.
import { dirname, join } from "node:path";

/**
 * Packs a folder's content, without the folder itself; `.zip` or `.tar.gz` as the name says.
 *
 * @param writtenAt When every file in it was written, it says; whole seconds.
 * @throws {Error} a program that packs is missing or fails; the message has its words.
 */
export async function packFolder(folder: string, archive: string, writtenAt: Date): Promise<void> {
  await Deno.mkdir(dirname(archive), { recursive: true });
  if (archive.endsWith(".zip")) await zip(folder, archive, writtenAt);
  else await tar(folder, archive, writtenAt);
}

async function tar(folder: string, archive: string, writtenAt: Date): Promise<void> {
  const names = (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name).sort();
  await run("tar", [
    "--create",
    `--file=${archive}`,
    "--use-compress-program=gzip -n", // no name and no time in its head
    "--format=ustar",
    "--sort=name",
    `--mtime=@${writtenAt.getTime() / 1000}`,
    "--owner=0",
    "--group=0",
    "--numeric-owner",
    "--mode=u=rwX,go=rX",
    `--directory=${folder}`,
    ...names,
  ]);
}

async function zip(folder: string, archive: string, writtenAt: Date): Promise<void> {
  const names = await filesIn(folder, "");
  for (const name of names) {
    const path = join(folder, name);
    const isProgram = ((await Deno.stat(path)).mode ?? 0) & 0o100;
    await Deno.chmod(path, isProgram ? 0o755 : 0o644);
    await Deno.utime(path, writtenAt, writtenAt);
  }
  // A zip file holds the time of a wall clock: that of UTC, wherever the release is made. -X leaves out users.
  await run("zip", ["-q", "-X", archive, ...names], { cwd: folder, env: { TZ: "UTC" } });
}

/** Every file below a folder, sorted. */
export async function filesIn(folder: string, below: string): Promise<string[]> {
  const names: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(join(folder, below))) {
    const path = below === "" ? name : `${below}/${name}`;
    if (isDirectory) names.push(...await filesIn(folder, path));
    else names.push(path);
  }
  return names.sort();
}

/** Takes everything out of an archive, into a folder that is made when missing. */
export async function unpack(archive: string, folder: string): Promise<void> {
  await Deno.mkdir(folder, { recursive: true });
  if (archive.endsWith(".zip")) await run("unzip", ["-q", archive, "-d", folder]);
  else await run("tar", ["-xzf", archive, "-C", folder]);
}

/**
 * Runs a program to its end.
 *
 * @returns What it wrote to its standard output.
 * @throws {Error} it is missing or fails; the message has its words.
 */
export async function run(
  command: string,
  args: readonly string[],
  options: { readonly cwd?: string; readonly env?: Record<string, string> } = {},
): Promise<string> {
  try {
    const { success, stdout, stderr } = await new Deno.Command(command, {
      args: [...args],
      stdin: "null",
      ...options,
    }).output();
    if (success) return new TextDecoder().decode(stdout);
    throw new Error(`Cannot run ${command} ${args[0]}: ${new TextDecoder().decode(stderr).trim()}`);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new Error(`Cannot find the program ${command}; on Debian: apt-get install ${command}`);
  }
}
